"""`callgate organizations import` as an operator uses it, twice, and undone."""

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from service.admin.actor import Actor
from service.admin.imports.csv_file import PROBLEM, RowFault
from service.admin.imports.organization_rows import (
    COLUMNS,
    ImportedOrganization,
    parse_organizations,
)
from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from service.web.exports.csv_files import importable_csv
from tests.cli.phone_numbers.helpers import Run
from tests.support.service import Replica

ADMIN = Actor("ada", "admin", "web")
HEADER = "name,external_id,plan,status,current_period_end,trial_ends_at,blocked_message\n"
STATE = """
SELECT o.external_id, o.name, o.blocked_message, p.code, p.status, p.current_period_end::date::text,
    t.ends_at::date::text
FROM callgate.organizations o LEFT JOIN callgate.plans p ON p.organization_id = o.id
LEFT JOIN callgate.trials t ON t.organization_id = o.id ORDER BY o.external_id, o.name
"""


async def state(pool: Pool) -> list[tuple[str | None, ...]]:
    return [tuple(row) for row in await pool.fetch(STATE)]


async def test_organizations_are_imported_once_and_changed_by_the_next_file(
    run: Run, vapi: SandboxVapi, pool: Pool
) -> None:
    run = partial(run, command=("organizations", "import"))
    text = HEADER + (
        "Bakery,b-1,pro,Active,2030-01-31,,Call later {organization}.\n"
        "Butcher,,,,,2030-02-28T12:00:00+02:00,\n"
    )
    planned = await run("-", "--dry-run", stdin=text.encode())
    assert planned.code == 2
    assert "2 to create" in planned.out
    done = await run("-", stdin=text.encode())
    assert done.code == 0, done.err
    first = [
        ("b-1", "Bakery", "Call later {organization}.", "pro", "active", "2030-01-31", None),
        (None, "Butcher", None, None, None, None, "2030-02-28"),
    ]
    assert await state(pool) == first
    again = await run("-", "--json", stdin=text.encode())
    assert (again.code, again.json["unchanged"], again.json["applied"]) == (0, 2, False)
    changed = HEADER + "Bakers,b-1,,,,,\nButcher,u-1,basic,unpaid,,,\nBaker,b-1,,,,,\n"
    held = await run("-", stdin=changed.encode())
    assert (held.code, await state(pool)) == (1, first)
    assert "Nothing was applied" in held.err
    done = await run("-", "--yes", "--json", stdin=changed.encode())
    assert (done.code, done.json["updated"], done.json["errors"]) == (1, 2, 1)
    assert done.json["rows"][2]["code"] == "duplicate_row"
    assert await state(pool) == [
        ("b-1", "Bakers", *first[0][2:]),
        ("u-1", "Butcher", None, "basic", "unpaid", None, "2030-02-28"),
    ]


async def test_a_time_zone_is_imported_and_a_wrong_one_fails_its_row(run: Run, pool: Pool) -> None:
    run = partial(run, command=("organizations", "import"))
    text = "name,time_zone\nBakery,europe/berlin\nButcher,\nKiosk,Mars/Olympus\n"
    done = await run("-", "--yes", "--json", stdin=text.encode())
    assert (done.code, done.json["created"], done.json["errors"]) == (1, 2, 1), done.err
    failed = done.json["rows"][2]
    assert failed["code"] == "invalid_time_zone"
    assert failed["message"].startswith(
        "The time_zone “Mars/Olympus” is no time zone: write a name"
    )
    zones = "SELECT name, time_zone FROM callgate.organizations ORDER BY name"
    first = [("Bakery", "Europe/Berlin"), ("Butcher", None)]
    assert [tuple(row) for row in await pool.fetch(zones)] == first
    kept = await run("-", "--json", stdin=b"name,time_zone\nBakery,\nButcher,UTC\n")
    assert (kept.json["unchanged"], kept.json["updated"]) == (1, 1)
    assert [tuple(row) for row in await pool.fetch(zones)] == [first[0], ("Butcher", "UTC")]


async def test_an_import_of_organizations_is_undone_as_one(
    run: Run, pool: Pool, callgate: Replica
) -> None:
    text = HEADER + "Bakery,b-1,pro,active,,2030-01-31,\nButcher,u-1,,,,,\nKiosk,k-1,,,,,\n"
    done = await run("-", stdin=text.encode(), command=("organizations", "import"))
    assert done.code == 0, done.err
    (entry,) = (await callgate.api("GET", "/audit")).json["items"]
    assert entry["action"] == "import.applied"
    assert entry["after"]["rows"]["create"] == 3
    rows = (await callgate.api("GET", f"/audit?part_of={entry['id']}")).json["items"]
    assert [row["action"] for row in rows].count("organization.created") == 3
    path = "/organizations/external_id:u-1"
    await callgate.api("PATCH", path, {"name": "Butchers"})
    cases = callgate.service.use_cases
    undone = (await cases.undo.undo(ADMIN, entry["id"])).rows
    assert undone is not None
    assert (undone.undone, undone.left) == (4, 1)
    assert undone.named == ["Butchers (changed since)"]
    assert [row[1] for row in await state(pool)] == ["Butchers"]


CELLS = st.sampled_from(["", "a", "pro", "active", "2030-01-31", "x{", "=1", "unpaid"]) | st.text(
    max_size=8
)


@given(st.lists(st.lists(CELLS, min_size=7, max_size=7), max_size=5))
def test_whatever_the_cells_are(lines: list[list[str]]) -> None:
    """A row is complete, or a fault that keeps its cells; what it gives is read again the same."""
    rows = parse_organizations(
        importable_csv([(PROBLEM, *COLUMNS), *(["x", *line] for line in lines)])
    )
    for row in rows:
        if isinstance(row, RowFault):
            assert row.message.isprintable()
            continue
        assert row.name
        assert (row.plan is None) is (row.status is None)
    good = [row for row in rows if isinstance(row, ImportedOrganization)]
    kept = (["x", *row.given] for row in good)
    again = parse_organizations(importable_csv([(PROBLEM, *COLUMNS), *kept]))
    assert [(row.given, row.name) for row in again] == [(row.given, row.name) for row in good]
