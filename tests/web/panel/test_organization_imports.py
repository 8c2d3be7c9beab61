"""Importing organizations in the panel over real HTTP: a file, its plan, its outcome, one undo."""

import aiohttp
import pytest

from service.web.panel.kit.visit import csrf_of
from tests.support.service import Replica, eventually
from tests.support.visiting import Shown, Visitor, visiting

HEADER = "name,external_id,plan,status,current_period_end,trial_ends_at,blocked_message"
START = "/organizations/import"


async def upload(visitor: Visitor, text: str, path: str = START, csrf: str | None = None) -> Shown:
    form = aiohttp.FormData()
    form.add_field("csrf", csrf_of(visitor.token) if csrf is None else csrf)
    form.add_field("file", text.encode(), filename="customers.csv", content_type="text/csv")
    return await visitor.ask("POST", path, data=form)


def file_of(*rows: str) -> str:
    return "\n".join((HEADER, *rows))


async def apply(visitor: Visitor, shown: Shown, expected: str) -> None:
    assert shown.status == 200, shown.text
    await visitor.post(f"{shown.url}/apply")

    async def over() -> bool:
        return expected in (await visitor.get(shown.url)).text

    await eventually(over)


async def test_a_file_is_checked_applied_and_taken_back(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        empty = await ada.get("/organizations")
        assert 'href="/admin/organizations/import"' in empty.body
        shown = await upload(
            ada,
            file_of(
                "Bakery,b-1,pro,active,2030-01-31,,",
                "Florist,,,,,2030-02-28,",
                "=1+1,x-1,pro,,,,Sorry.",
            ),
        )
        assert "Nothing is changed yet." in shown.text
        assert "Apply 2 rows" in shown.text
        assert "pro, active until 2030-01-31" in shown.text
        assert (await callgate.api("GET", "/organizations")).json["items"] == []
        await apply(ada, shown, "2 done, 0 unchanged, 1 failed")
        items = (await callgate.api("GET", "/organizations")).json["items"]
        page = await ada.get(shown.url)
        for one in items:
            assert f'href="/admin/organizations/{one["id"]}"' in page.body
        failed = (await ada.get(f"{shown.url}/failed.csv")).body
        assert f"problem,{HEADER},time_zone\r\n" in failed
        assert ",'=1+1,x-1,pro,,,,Sorry.,\r\n" in failed
        assert "customers.csv" in (await ada.get(START)).text
        assert "1 import" in (await ada.get(START)).text
        again = await upload(ada, file_of("Bakery,b-1,pro,active,2030-01-31,,"))
        assert "There is nothing to do." in again.text
        entries = (await callgate.api("GET", "/audit")).json["items"]
        applied = next(one for one in entries if one["action"] == "import.applied")
        entry = await ada.get(f"/audit/{applied['id']}")
        assert "Imported customers.csv: 2 to add, 1 failed." in entry.text
        assert shown.url in entry.body
        undone = await ada.post(f"/undo/{applied['id']}")
        assert "Rows undone: 4." in undone.text
        assert undone.url == shown.url
    assert (await callgate.api("GET", "/organizations")).json["items"] == []


async def test_a_corrected_file_of_failed_rows_can_be_uploaded(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        shown = await upload(ada, file_of("Bakery,b-1,pro,gold,2030-01-31,,Call later."))
        assert "There is nothing to do." in shown.text
        failed = (await ada.get(f"{shown.url}/failed.csv")).body
        corrected = await upload(ada, failed.replace(",gold,", ",active,"))
        await apply(ada, corrected, "1 done, 0 unchanged, 0 failed")
    [one] = (await callgate.api("GET", "/organizations")).json["items"]
    assert (one["blocked_message"], one["plan"]["code"]) == ("Call later.", "pro")


async def test_each_kind_has_its_own_address(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        shown = await upload(ada, file_of("Bakery,,,,,,"))
        other = shown.url.replace("/organizations/", "/numbers/")
        assert (await ada.get(other)).status == 404
        assert (await ada.post(f"{other}/apply")).status == 404
        assert "customers.csv" not in (await ada.get("/numbers/import")).text
        example = await ada.get(f"{START}/example.csv")
        assert example.body.lstrip("\ufeff").startswith(HEADER)
        shown = await upload(ada, example.body)
        assert "Apply 2 rows" in shown.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("phone_number,organization\n1,2\n", "Unknown columns in line 1: phone_number"),
        (f"{HEADER}\n,,,,,,\n", "The file names no organization"),
        ("", "The file is empty"),
    ],
)
async def test_a_file_that_cannot_be_used_says_why(
    callgate: Replica, text: str, message: str
) -> None:
    async with visiting(callgate) as ada:
        shown = await upload(ada, text)
        assert (shown.status, message in shown.text) == (422, True), shown.text


async def test_only_admins_with_the_token_of_their_session_import(callgate: Replica) -> None:
    text = file_of("Bakery,,,,,,")
    async with visiting(callgate) as ada, visiting(callgate, "support", "Sue") as sue:
        assert (await upload(ada, text, csrf="x")).status == 403
        assert (await upload(sue, text)).status == 403
        page = (await upload(ada, text)).url
        assert (await sue.get(page)).forms == []
        for step in ("apply", "cancel"):
            assert (await sue.post(f"{page}/{step}")).status == 403
    assert (await callgate.api("GET", "/organizations")).json["items"] == []
