"""Importing numbers in the panel over real HTTP: a file, its plan, its outcome, and the needed role."""

import io

import aiohttp
from hypothesis import given
from hypothesis import strategies as st

from service.admin.imports.number_rows import COLUMNS, parse_import
from service.sandbox.server import SandboxVapi
from service.store.imports.rows import ImportRecord
from service.web.exports.csv_files import importable_csv
from service.web.panel.imports.pages import cells
from service.web.panel.kit.visit import csrf_of
from tests.support.service import Replica, eventually
from tests.support.visiting import Shown, Visitor, visiting

HEADER = "phone_number,organization,label,gate"


async def upload(visitor: Visitor, *rows: str, name: str = "numbers.csv") -> Shown:
    form = aiohttp.FormData()
    form.add_field("csrf", csrf_of(visitor.token))
    data = "\n".join((HEADER, *rows)).encode()
    form.add_field("file", data, filename=name, content_type="text/csv")
    return await visitor.ask("POST", "/numbers/import", data=form)


async def test_a_file_is_checked_applied_and_told(callgate: Replica, vapi: SandboxVapi) -> None:
    await callgate.add_organization("Bakery")
    ids = vapi.add_numbers(3)
    async with visiting(callgate) as ada:
        assert "Download an example" in (await ada.get("/numbers/import")).text
        rows = [f"{vapi_id},Bakery,Line {place}," for place, vapi_id in enumerate(ids)]
        shown = await upload(ada, *rows, "=1+1,Nobody,,")
        assert shown.status == 200, shown.text
        assert "Nothing is changed yet." in shown.text
        assert "Apply 3 rows" in shown.text
        page = shown.url
        count = "SELECT count(*) FROM callgate.phone_numbers"
        assert await callgate.service.pool.fetchval(count) == 0
        await ada.post(f"{page}/apply")

        async def over() -> bool:
            return "3 done, 0 unchanged, 1 failed" in (await ada.get(page)).text

        await eventually(over)
        assert await callgate.service.pool.fetchval(count) == 3
        failed = await ada.get(f"{page}/failed.csv")
        assert failed.headers["Content-Type"].startswith("text/csv")
        assert "'=1+1" in failed.body  # nothing that a spreadsheet would run
        assert "numbers.csv" in (await ada.get("/numbers/import")).text
        again = await upload(ada, *rows)
        assert "There is nothing to do." in again.text


async def test_a_file_that_cannot_be_used_says_why(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        form = aiohttp.FormData()
        form.add_field("csrf", csrf_of(ada.token))
        form.add_field("file", b"name\nx\n", filename="bad.csv")
        shown = await ada.ask("POST", "/numbers/import", data=form)
        assert shown.status == 422
        assert "Unknown column" in shown.text
        assert (await ada.post("/numbers/import", {})).status == 422
        form = aiohttp.FormData()
        form.add_field("csrf", csrf_of(ada.token))
        form.add_field("file", io.BytesIO(b"x" * (5 * 2**20)), filename="large.csv")
        shown = await ada.ask("POST", "/numbers/import", data=form)
        assert shown.status in (413, 422)


async def test_who_may_not_looks_only(callgate: Replica, vapi: SandboxVapi) -> None:
    await callgate.add_organization("Bakery")
    row = f"{vapi.add_numbers(1)[0]},Bakery,,"
    async with visiting(callgate) as ada, visiting(callgate, "viewer", "Vic") as vic:
        page = (await upload(ada, row)).url
        assert (await vic.get(page)).forms == []
        assert (await upload(vic, row)).status == 403
        for step in ("apply", "cancel"):
            assert (await vic.post(f"{page}/{step}")).status == 403
        shown = await ada.post(f"{page}/cancel")
        assert "Canceled" in shown.text
        assert (await ada.post(f"{page}/apply")).status == 409
    assert await callgate.service.pool.fetchval("SELECT count(*) FROM callgate.phone_numbers") == 0


async def test_a_corrected_file_of_failed_rows_is_as_strict_as_the_first(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    name = "Bäckerei " + "n" * 180
    ids = vapi.add_numbers(2)
    async with visiting(callgate) as ada:
        page = (
            await upload(
                ada, f"{ids[0]},{name},Front desk,request", f"{ids[1]},Smith, Jones,Front,request"
            )
        ).url
        failed = (await ada.get(f"{page}/failed.csv")).body
        assert f"{ids[0]},{name},Front desk,request\r\n" in failed
        assert f"{ids[1]},Smith,Jones,Front,request\r\n" in failed
        await callgate.add_organization(name)
        form = aiohttp.FormData()
        form.add_field("csrf", csrf_of(ada.token))
        form.add_field("file", failed.encode(), filename="failed.csv")
        page = (await ada.ask("POST", "/numbers/import", data=form)).url
        await ada.post(f"{page}/apply")

        async def over() -> bool:
            return "1 done, 0 unchanged, 1 failed" in (await ada.get(page)).text

        await eventually(over)
    row = await callgate.service.pool.fetchrow("SELECT label, gate FROM callgate.phone_numbers")
    assert row is not None
    assert tuple(row) == ("Front desk", "request")


CELLS = st.text(max_size=12) | st.sampled_from(
    ["=1+1", "'=1", "''-2", "+15551234567", "+1 555 1", "@x", "'", '"', "a,b", "request", "Ada"]
)


@given(st.lists(st.lists(CELLS, max_size=7), max_size=6), st.booleans())
def test_failed_rows_come_back_as_given(lines: list[list[str]], short: bool) -> None:
    """What a file of failed rows holds is read again as it was, whatever the cells are."""
    columns = ("organization", "phone_number") if short else COLUMNS
    data = importable_csv([columns, *lines])
    rows = parse_import(data)
    records = [
        ImportRecord(
            row.line,
            dict.fromkeys(COLUMNS, ""),
            row.given,
            None,
            "error",
            "failed",
            "x",
            None,
            None,
        )
        for row in rows
    ]
    again = parse_import(importable_csv(cells(COLUMNS, records)))
    assert [row.given for row in again] == [row.given for row in rows]
