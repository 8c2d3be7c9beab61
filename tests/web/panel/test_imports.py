"""Importing numbers in the panel over real HTTP: a file, its plan, its outcome, and the needed role."""

import io

import aiohttp

from service.sandbox.server import SandboxVapi
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
