"""An import is one entry of the audit, with its rows behind it, and one undo."""

import asyncio
import re

from service.sandbox.server import SandboxVapi
from service.store.limits import REQUEST_SECONDS, REQUESTS
from service.store.pool import Pool
from tests.support.service import Replica, eventually
from tests.support.visiting import Visitor, rows_of, visiting
from tests.web.panel.test_imports import upload

STATE = re.compile(r'<tr><th scope="row">.*?class="badge[^>]*>([^<]*)<', re.DOTALL)


async def states(visitor: Visitor) -> list[str]:
    """The badges in the list of imports."""
    return STATE.findall((await visitor.get("/numbers/import")).body)


async def test_an_import_is_one_entry_with_its_rows_and_one_undo(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization("Bakery")
    ids = vapi.add_numbers(4)
    first = await callgate.add_number(owner, ids[0])
    async with visiting(callgate) as ada:
        page = (
            await upload(ada, *(f"{one},Bakery,Line {at},request" for at, one in enumerate(ids)))
        ).url
        await ada.post(f"{page}/apply")

        async def over() -> bool:
            return "4 done, 0 unchanged, 0 failed" in (await ada.get(page)).text

        await eventually(over)
        assert await states(ada) == ["Imported"]
        entries = (await callgate.api("GET", "/audit")).json["items"]
        assert [one["action"] for one in entries][:2] == ["import.applied", "import.created"]
        applied = entries[0]
        assert applied["after"]["rows"] == {"create": 3, "update": 1, "unchanged": 0, "error": 0}
        rows = (await callgate.api("GET", f"/audit?part_of={applied['id']}")).json["items"]
        assert sorted(one["action"] for one in rows) == [
            "phone_number.changed",
            *["phone_number.created"] * 3,
        ]
        # The history of each number says which import it was.
        history = (await callgate.api("GET", f"/audit?object_id={first['id']}")).json["items"]
        assert history[0]["part_of"] == applied["id"]
        shown = await ada.get(f"/audit/{applied['id']}")
        assert "Imported numbers.csv: 3 to add, 1 to change." in shown.text
        assert "View the changes of the rows" in shown.text
        assert f"change {applied['id']}" in (await ada.get(f"/audit/{history[0]['id']}")).text
        # Another admin changes one of the numbers.
        items = (await callgate.api("GET", "/phone-numbers")).json["items"]
        changed = next(one for one in items if one["label"] == "Line 2")
        await callgate.api("PATCH", f"/phone-numbers/{changed['id']}", {"label": "Orders"})
        undone = await ada.post(f"/undo/{applied['id']}")
        assert "Rows undone: 3." in undone.text
        assert "Orders (changed since)" in undone.text
        # The import no longer says that all of it is there; what stays may still be undone.
        assert await states(ada) == ["Undone in part"]
        shown = await ada.get(page)
        assert "4 done, 0 unchanged, 0 failed. Undone since: 3." in shown.text
        assert f"/admin/undo/{applied['id']}" in shown.forms
    left = (await callgate.api("GET", "/phone-numbers")).json["items"]
    assert {one["vapi_phone_number_id"]: one["label"] for one in left} == {
        ids[0]: first["label"],
        ids[2]: "Orders",
    }
    assert {one["gate"] for one in left if one["id"] == first["id"]} == {"event"}
    top = (await callgate.api("GET", "/audit?limit=1")).json["items"][0]
    assert (top["action"], top["undoes"]) == ("import.undone", applied["id"])
    rows = (await callgate.api("GET", f"/audit?part_of={top['id']}")).json["items"]
    assert sorted(one["action"] for one in rows) == [
        "phone_number.changed",
        *["phone_number.released"] * 2,
    ]


async def test_an_import_of_which_every_row_stays_is_not_called_undone(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    await callgate.add_organization("Bakery")
    async with visiting(callgate) as ada:
        page = (await upload(ada, f"{vapi.add_numbers(1)[0]},Bakery,Orders,event")).url
        await ada.post(f"{page}/apply")

        async def over() -> bool:
            return await states(ada) == ["Imported"]

        await eventually(over)
        (number,) = (await callgate.api("GET", "/phone-numbers")).json["items"]
        for label, badge in (("Sales", "Imported"), ("Orders", "Undone")):
            await callgate.api("PATCH", f"/phone-numbers/{number['id']}", {"label": label})
            (applied,) = (await callgate.api("GET", "/audit?action=import.applied")).json["items"]
            await ada.post(f"/undo/{applied['id']}")
            assert await states(ada) == [badge]


CARD = re.compile(
    r'<p class="figure"><a href="/admin([^"]+)">([\d,]+)</a></p><p class="dim">([^<]+)'
)


async def test_the_figures_of_an_import_have_their_rows_and_errors_are_not_called_imported(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    await callgate.add_organization("Bakery")
    first, second = vapi.add_numbers(2)
    lines = (f"{first},Bakery,Line,event", f"{second},Bakery,Line,event", "pn-none,Nobody,,event")
    async with visiting(callgate) as ada:
        page = (await upload(ada, *lines)).url
        place = page.partition("/admin")[2] or page
        await ada.post(f"{place}/apply")

        async def over() -> bool:
            return "2 done, 0 unchanged, 1 failed" in (await ada.get(place)).text

        await eventually(over)
        assert await states(ada) == ["Imported, with errors"]
        found = CARD.findall((await ada.get(place)).body)
        assert {name: int(rows) for _, rows, name in found} == {
            "Done": 2,
            "Not done": 0,
            "Unchanged": 0,
            "With an error": 1,
        }
        for path, rows, _ in found:
            assert await rows_of(ada, path) == int(rows), path


UNDER_WAY = """
UPDATE callgate.imports
SET state = $1, claim = claim + 1, claimed_until = now() + interval '1 minute'
"""


async def test_an_import_that_is_still_being_applied_is_not_undone(callgate: Replica) -> None:
    """A row that is applied after its undo would stay. Nor after a cancel, while one is applied."""
    entry = await import_organizations(callgate, "Bakery")
    pool = callgate.service.pool
    job = await pool.fetchval("SELECT id FROM callgate.imports")
    async with visiting(callgate) as ada:
        for state in ("applying", "canceled"):
            await pool.execute(UNDER_WAY, state)
            shown = await ada.post(f"/undo/{entry}")
            assert shown.status == 409
            assert "still being applied" in shown.text
            refused = await callgate.api("POST", f"/imports/{job}/undo")
            assert (refused.status, refused.code) == (409, "conflict")
            assert len((await callgate.api("GET", "/organizations")).json["items"]) == 1
        await pool.execute("UPDATE callgate.imports SET claimed_until = NULL")
        assert "Rows undone: 1." in (await ada.post(f"/undo/{entry}")).text
    assert (await callgate.api("GET", "/organizations")).json["items"] == []


WAIT_SECONDS = 0.6 * REQUEST_SECONDS
"""One wait of two that exceed the allowance of a request together."""

HOLD = "SELECT FROM callgate.organizations WHERE name = $1 FOR UPDATE"


async def import_organizations(callgate: Replica, *names: str) -> int:
    """Import organizations; returns the audit entry."""
    text = "\n".join(("name", *names))
    made = await callgate.api("POST", "/imports", {"kind": "organizations", "csv": text})
    path = f"/imports/{made.json['id']}"
    await callgate.api("POST", f"{path}/apply")

    async def over() -> bool:
        return bool((await callgate.api("GET", path)).json["state"] == "applied")

    await eventually(over)
    return int((await callgate.api("GET", path)).json["audit_id"])


async def hold(pool: Pool, name: str, seconds: float, held: asyncio.Event) -> None:
    """Let changes of an organization wait."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(HOLD, name)
        held.set()
        await asyncio.sleep(seconds)


async def test_an_undo_may_wait_longer_than_an_ordinary_request(callgate: Replica) -> None:
    """The newest row is undone first: it waits once, then the older one does."""
    assert REQUESTS.lock_seconds > WAIT_SECONDS
    entry = await import_organizations(callgate, "Bakery", "Florist")
    async with visiting(callgate) as ada, asyncio.TaskGroup() as holding:
        for name, seconds in (("Florist", WAIT_SECONDS), ("Bakery", 2 * WAIT_SECONDS)):
            held = asyncio.Event()
            holding.create_task(hold(callgate.service.pool, name, seconds, held))
            await held.wait()
        undone = await ada.post(f"/undo/{entry}")
    assert "Rows undone: 2." in undone.text
    assert (await callgate.api("GET", "/organizations")).json["items"] == []
