"""Organizations in the panel over real HTTP: what is shown, what is changed, and who may."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.service import Replica
from tests.support.visiting import Shown, Visitor, visiting

SOON = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
LATE = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M")


async def add(visitor: Visitor, name: str = "Acme", **fields: str) -> str:
    """The path of a new organization's page."""
    shown = await visitor.post("/organizations/new", {"name": name, **fields})
    assert shown.status == 200, shown.text
    assert re.fullmatch(r"/organizations/[0-9a-f-]{36}", shown.url)
    return shown.url


async def ok(visitor: Visitor, path: str) -> Shown:
    shown = await visitor.get(path)
    assert shown.status == 200, shown.text
    return shown


async def test_an_empty_list_says_what_comes_here(callgate: Replica) -> None:
    async with visiting(callgate) as ada, visiting(callgate, "viewer", "Vic") as vic:
        assert "Add your first organization" in (await ok(ada, "/organizations")).text
        shown = await ok(vic, "/organizations")
        assert "No organizations yet" in shown.text
        assert "/admin/organizations/new" not in shown.links


async def test_an_organization_is_added_and_started_on_a_trial(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        path = await add(ada, "Müller & Söhne <b>", external_id="crm-1")
        shown = await ok(ada, path)
        assert "Müller & Söhne <b>" in shown.text + shown.body.replace("&lt;", "<")
        assert "There is neither a plan nor a trial." in shown.text
        shown = await ada.post(f"{path}/trial", {"ends_at": LATE, "starts_at": ""})
        assert shown.url == path
        assert "Saved." in shown.text
        assert "Calls are allowed. The trial runs until" in shown.text
        assert "Upcoming changes" in shown.text
        assert "Gave Müller & Söhne" in shown.text
        # The notice has the way back.
        undo = next(form for form in shown.forms if "/undo/" in form)
        shown = await ada.post(undo.removeprefix("/admin"))
        assert "The change was undone." in shown.text
        assert "There is neither a plan nor a trial." in shown.text


async def test_a_time_zone_is_given_in_the_form_and_checked_there(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        path = await add(ada, "Acme", time_zone="europe/berlin")
        assert 'value="Europe/Berlin"' in (await ok(ada, f"{path}/edit")).body
        shown = await ada.post(f"{path}/edit", {"name": "Acme", "time_zone": "Mars"})
        assert shown.status == 422
        assert "is no time zone" in shown.text
        shown = await ada.post(f"{path}/edit", {"name": "Acme", "time_zone": ""})
        assert shown.url == path
        assert 'value="Europe/Berlin"' not in (await ok(ada, f"{path}/edit")).body


async def test_the_list_is_searched_filtered_sorted_and_paged(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        for number in range(7):
            await add(ada, f"Org {number}", external_id=f"crm-{number}")
        trial = await add(ada, "Trying")
        await ada.post(f"{trial}/trial", {"ends_at": SOON})

        async def names(query: str) -> list[str]:
            shown = await ok(ada, f"/organizations?{query}")
            return re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', shown.body)

        assert await names("query=CRM-3") == ["Org 3"]
        assert await names("trial=ending") == await names("allowed=true") == ["Trying"]
        assert await names("reason=trial_active&numbers=false") == ["Trying"]
        assert await names("query=nobody") == []
        assert (await names("sort=-name"))[:2] == ["Trying", "Org 6"]
        assert (await names("sort=trial_ends_at"))[0] == "Trying"
        # Every page has an address of its own.
        shown = await ok(ada, "/organizations?limit=3&sort=-created_at")
        seen = re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', shown.body)
        while more := re.search(
            r'role="button" class="outline" href="([^"]*cursor=[^"]*)"', shown.body
        ):
            path = more[1].replace("&amp;", "&").removeprefix("/admin")
            shown = await ok(ada, path)
            seen += re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', shown.body)
        assert seen == ["Trying", *[f"Org {number}" for number in range(6, -1, -1)]]
        # A reason of a plugin stays selected, although the list does not have it.
        shown = await ok(ada, "/organizations?reason=too_many_calls")
        assert '<option value="too_many_calls" selected>Too many calls' in shown.body
        shown = await ada.get("/organizations?sort=sideways&allowed=perhaps")
        assert shown.status == 422
        assert "invalid filters" in shown.text


async def test_the_list_is_downloaded_as_it_is_filtered(callgate: Replica) -> None:
    async with visiting(callgate) as ada, visiting(callgate, "viewer", "Vic") as vic:
        for name in ("=HYPERLINK(1)", 'Müller, "M"', "Other"):
            path = await add(ada, name)
        await ada.post(f"{path}/trial", {"ends_at": LATE})
        (link,) = [
            one for one in (await ok(vic, "/organizations?sort=-name")).links if ".csv" in one
        ]
        shown = await ok(vic, link.removeprefix("/admin"))
        rows = list(csv.DictReader(io.StringIO(shown.body.removeprefix("\ufeff"))))
        assert [row["name"] for row in rows] == ["Other", 'Müller, "M"', "'=HYPERLINK(1)"]
        assert (rows[0]["allowed"], rows[0]["trial_ends_at"][:16]) == ("true", LATE)
        shown = await ok(vic, "/organizations.csv?allowed=false")
        assert shown.body.count("no_plan_or_trial") == 2
        assert (await vic.get("/organizations.csv?sort=sideways")).status == 422


async def test_access_at_another_instant(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        path = await add(ada)
        await ada.post(f"{path}/plan", {"code": "pro", "status": "active"})
        await ada.post(
            f"{path}/override", {"effect": "deny", "reason": "Fraud", "expires_at": SOON}
        )
        shown = await ok(ada, f"{path}?at={LATE}")
        assert "Calls are blocked. An override by Ada blocks all calls until" in shown.text
        other = shown.text.partition("with the present")[2]
        assert "Calls are allowed. The plan pro is active." in other
        shown = await ok(ada, f"{path}?at=tomorrow")
        assert "Enter a date and a time." in shown.text


async def test_forms_come_back_with_what_was_given_and_what_is_wrong(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        await add(ada, "One", external_id="taken")
        path = await add(ada, "Two")
        for target, fields, status, text in (
            ("/organizations/new", {"name": ""}, 422, "This field is required."),
            ("/organizations/new", {"name": "X", "attributes": "["}, 422, "not a JSON object"),
            ("/organizations/new", {"name": "X", "external_id": "taken"}, 409, "external_id"),
            (f"{path}/edit", {"name": "X", "forward_url": "http://10.0.0.1"}, 422, "must be https"),
            (f"{path}/plan", {"code": "", "status": "active"}, 422, "This field is required."),
            (f"{path}/plan", {"code": "pro", "status": "gold"}, 422, "active"),
            (f"{path}/trial", {"starts_at": LATE, "ends_at": SOON}, 422, "begin before it ends"),
            (f"{path}/trial", {"ends_at": "soon"}, 422, "RFC 3339"),
            (
                f"{path}/override",
                {"effect": "allow", "reason": " "},
                422,
                "This field is required.",
            ),
            (
                f"{path}/handling",
                {"when_access_ends": "finish", "language": "?"},
                422,
                "language tag",
            ),
            (
                f"{path}/messages",
                {"text_of": "Hi {nme}", "reason_of": "", "language_of": ""},
                422,
                "{nme}",
            ),
        ):
            shown = await ada.post(target, fields)
            assert (shown.status, text in shown.text) == (status, True), (
                target,
                fields,
                shown.text,
            )
            for value in fields.values():
                if value.strip() and "T" not in value and value != "gold":
                    assert value in shown.body.replace("&#34;", '"'), (target, value)


async def test_the_form_of_the_handling_keeps_what_it_does_not_show(callgate: Replica) -> None:
    fallback = {"assistantId": "a-1", "assistantOverrides": {"firstMessage": "Hello."}}
    owner = await callgate.add_organization(handling={"relay_fallback": fallback})

    async def stored() -> object:
        found = await callgate.api("GET", f"/organizations/{owner}")
        return found.json["handling"]["relay_fallback"]

    async with visiting(callgate) as ada:
        path = f"/organizations/{owner}/handling"
        fields = {"when_access_ends": "finish", "fallback_kind": "assistantId"}
        await ada.post(path, {**fields, "relay_fallback": "a-1"})
        assert await stored() == fallback
        fields["fallback_kind"] = "destination"
        shown = await ada.post(path, {**fields, "relay_fallback": "nobody"})
        assert shown.status == 422
        await ada.post(path, {**fields, "relay_fallback": "+1 555 010 0200"})
        assert await stored() == {"destination": {"type": "number", "number": "+15550100200"}}
        form = await ok(ada, path)
        assert 'value="+15550100200"' in form.body
        await ada.post(path, {**fields, "fallback_kind": "", "relay_fallback": ""})
        assert await stored() is None


async def test_handling_and_messages_are_set(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        path = await add(ada)
        fields = {"ring_gate": "true", "when_access_ends": "hang_up", "goodbye": "on"}
        shown = await ada.post(f"{path}/handling", {**fields, "max_duration_seconds": "600"})
        assert "calls in progress are hung up" in shown.text
        form = await ok(ada, f"{path}/handling")
        assert 'value="600"' in form.body
        shown = await ada.post(
            f"{path}/messages",
            {
                "blocked_message": "Please call {organization} later.",
                "text_of": "Your trial has ended.",
                "reason_of": "trial_expired",
                "language_of": "",
            },
        )
        assert shown.url == path
        shown = await ok(ada, f"{path}/messages")
        assert "“Your trial has ended.”" in shown.text
        assert "“Please call Acme later.”" in shown.text


async def test_removing_needs_the_name(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        path = await add(ada)
        shown = await ada.post(f"{path}/delete", {"typed": "acme"})
        assert (shown.status, "not the organization's name" in shown.text) == (422, True)
        shown = await ada.post(f"{path}/delete", {"typed": "Acme"})
        assert shown.url == "/organizations"
        assert "Acme was removed." in shown.text
        assert (await ada.get(path)).status == 404


async def test_support_may_make_short_exceptions_only(callgate: Replica) -> None:
    async with visiting(callgate) as ada, visiting(callgate, "support", "Sue") as sue:
        path = await add(ada)
        shown = await ok(sue, path)
        assert "/admin" + path + "/override?effect=allow&days=1" in shown.links
        assert "/admin" + path + "/plan" not in shown.links
        shown = await ok(sue, f"{path}/override")
        assert "within 7 days" in shown.text
        fields = {"effect": "allow", "reason": "goodwill"}
        for end in ("", LATE):
            shown = await sue.post(f"{path}/override", {**fields, "expires_at": end})
            assert (shown.status, "7 days" in shown.text) == (403, True)
        shown = await sue.post(f"{path}/override", {**fields, "expires_at": SOON})
        assert "An override by Sue allows all calls" in shown.text
        undo = next(form for form in shown.forms if "/undo/" in form)
        shown = await sue.post(undo.removeprefix("/admin"))
        assert "There is neither a plan nor a trial." in shown.text
        assert (await sue.post(f"{path}/plan", {"code": "pro", "status": "active"})).status == 403


HAND_MADE = [
    ("/organizations/new", {"name": "X"}),
    ("{path}/edit", {"name": "X"}),
    ("{path}/plan", {"code": "pro", "status": "active"}),
    ("{path}/plan/remove", {}),
    ("{path}/trial", {"ends_at": LATE}),
    ("{path}/trial/remove", {}),
    ("{path}/override", {"effect": "allow", "reason": "x", "expires_at": SOON}),
    ("{path}/override/remove", {}),
    ("{path}/messages", {"blocked_message": "x"}),
    ("{path}/handling", {"when_access_ends": "hang_up"}),
    ("{path}/delete", {"typed": "Acme"}),
    ("/undo/2", {}),
]


async def test_a_viewer_sees_no_controls_and_changes_nothing(callgate: Replica) -> None:
    async with visiting(callgate) as ada, visiting(callgate, "viewer", "Vic") as vic:
        path = await add(ada)
        await ada.post(f"{path}/plan", {"code": "pro", "status": "active"})
        before = (await callgate.api("GET", "/audit")).json["items"]
        for shown in [await ok(vic, one) for one in (path, "/audit", "/organizations")]:
            assert shown.forms == []
            assert not any(
                re.search(r"/(edit|plan|trial|override|new)\b", one) for one in shown.links
            )
        for target, fields in HAND_MADE:
            assert (await vic.post(target.format(path=path), fields)).status == 403, target
            if target.endswith(("new", "edit", "plan", "override", "messages")):
                assert (await vic.get(target.format(path=path))).status == 403
        assert (await callgate.api("GET", "/audit")).json["items"] == before


@pytest.mark.parametrize("csrf", ["", "wrong"])
async def test_nothing_is_changed_without_the_forms_own_token(callgate: Replica, csrf: str) -> None:
    async with visiting(callgate) as ada:
        path = await add(ada)
        before = (await callgate.api("GET", "/audit")).json["items"]
        for target, fields in HAND_MADE:
            assert (await ada.post(target.format(path=path), fields, csrf=csrf)).status == 403
        assert (await callgate.api("GET", "/audit")).json["items"] == before
