"""Importing numbers: a plan that is true, rows that stand alone, and nothing left for a second run."""

import asyncio
from uuid import uuid4

from service.admin.actor import Actor
from service.admin.imports import known_numbers
from service.admin.imports.imports import Imports
from service.admin.imports.number_rows import ImportRow
from service.sandbox.server import SandboxVapi
from service.store.audit import list_audit
from service.store.pool import Pool
from tests.admin.imports.imports.helpers import (
    NoReconciler,
    actions,
    add_organization,
    apply,
    rows_of,
    stored,
)


async def test_three_hundred_numbers(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor
) -> None:
    """Ids and E.164 mixed: one page of Vapi's, rows that are due, and one entry of the audit in all."""
    ids = vapi.add_numbers(300)
    bakery = await add_organization(pool, "Bakery", "b-1")
    names = [f"+1555{place:07d}" if place % 2 else found for place, found in enumerate(ids)]
    rows = rows_of(*(f"{name},b-1,Line {place}," for place, name in enumerate(names)))
    plan = await imports.plan(rows)
    assert plan.figures == {"create": 300, "update": 0, "unchanged": 0, "error": 0}
    assert await stored(pool) == {}
    assert len(vapi.requests()) == 1
    applied = await apply(imports, admin, plan)
    assert not applied.has_errors
    there = await stored(pool)
    assert there[ids[7]] == (bakery, "+15550000007", "Line 7", "event", "pending", True)
    assert there.keys() == set(ids)
    (whole,) = await list_audit(pool, limit=1000)
    assert whole.action == "import.applied"
    audit = await list_audit(pool, part_of=whole.id, limit=1000)
    assert len(audit) == 300
    assert {(entry.actor, entry.source, entry.action) for entry in audit} == {
        ("ada", "cli", "phone_number.created")
    }
    again = await imports.plan(rows)
    assert again.figures == {"create": 0, "update": 0, "unchanged": 300, "error": 0}
    assert {row.phone_number_id for row in applied.rows} == {
        row.phone_number_id for row in again.rows
    }
    assert len(vapi.requests("PATCH *")) == 0


async def test_each_row_has_its_own_error(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor
) -> None:
    ids = vapi.add_numbers(4)
    twin = vapi.add_number(number="+15550000003")["id"]
    twins = [await add_organization(pool, "Twin") for _ in range(2)]
    await add_organization(pool, "Bakery", "b-1")
    rows = rows_of(
        f"{ids[0]},Bakery,,",
        f"{ids[1]},Nobody,,",
        f"{uuid4()},Bakery,,",
        "+15559999999,Bakery,,",
        "+15550000003,Bakery,,",
        f"{ids[2]},Twin,,",
        "+15550000000,Bakery,,",
        f"{ids[1]},bakery,,ring",
        f"{ids[3]},b-1,,request",
    )
    plan = await imports.plan(rows)
    assert actions(plan) == [
        "create",
        "organization_not_found",
        "vapi_phone_number_not_found",
        "vapi_phone_number_not_found",
        "vapi_phone_number_ambiguous",
        "organization_ambiguous",
        "duplicate_row",
        "invalid_gate",
        "create",
    ]
    messages = [row.message or "" for row in plan.rows]
    assert ids[3] in messages[4]
    assert twin in messages[4]
    assert all(str(found) in messages[5] for found in twins)
    assert "line 2" in messages[6]
    assert [row.line for row in plan.rows] == list(range(2, 11))
    applied = await apply(imports, admin, plan)
    assert actions(applied) == actions(plan)
    assert (await stored(pool)).keys() == {ids[0], ids[3]}
    assert actions(await imports.plan(rows))[::8] == ["unchanged", "unchanged"]


async def test_an_organization_by_each_of_its_names(imports: Imports, pool: Pool) -> None:
    """The id wins over an external id, and that over a name."""
    first = await add_organization(pool, "Same", "ext")
    second = await add_organization(pool, "ext", str(first))
    third = await add_organization(pool, str(first))
    words = (str(first), first.hex.upper(), "ext", "external_id:ext", str(second), str(third))
    rows = [ImportRow(line, f"v{line}", word) for line, word in enumerate(words)]
    plan = await imports.judge(rows, known_numbers.KnownNumbers())
    assert [row.organization_id for row in plan.rows] == [first] * 4 + [second, third]


async def test_labels_and_gates_follow_the_file(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor
) -> None:
    """What a row does not say stays as it is."""
    number_id = vapi.add_numbers(1)[0]
    bakery = await add_organization(pool, "Bakery")
    await apply(imports, admin, await imports.plan(rows_of(f"{number_id},Bakery,One,request")))
    plan = await imports.plan(rows_of(f"{number_id},Bakery,,"))
    assert actions(plan) == ["unchanged"]
    plan = await imports.plan(rows_of(f"{number_id},Bakery,Two,"))
    assert plan.rows[0].message == "label: One → Two"
    await apply(imports, admin, plan)
    assert (await stored(pool))[number_id][:4] == (bakery, "+15550000000", "Two", "request")
    reconciler = imports.numbers.webhooks
    assert isinstance(reconciler, NoReconciler)
    assert reconciler.asked == []
    plan = await imports.plan(rows_of(f"{number_id},Bakery,,event"))
    assert plan.rows[0].message == "gate: request → event"
    await apply(imports, admin, plan)
    assert (await stored(pool))[number_id][3:] == ("event", "pending", True)
    assert len(reconciler.asked) == 1


async def test_numbers_of_others_stay_theirs(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor
) -> None:
    number_id = vapi.add_numbers(1)[0]
    bakery = await add_organization(pool, "Bakery")
    await add_organization(pool, "Pizza")
    await apply(imports, admin, await imports.plan(rows_of(f"{number_id},Bakery,,")))
    plan = await imports.plan(rows_of(f"{number_id},Pizza,Mine,"))
    assert actions(plan) == ["phone_number_taken"]
    assert "move" in (plan.rows[0].message or "")
    assert (await stored(pool))[number_id][0] == bakery


async def test_what_happens_between_plan_and_apply(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor
) -> None:
    ids = vapi.add_numbers(4)
    bakery, pizza = await add_organization(pool, "Bakery"), await add_organization(pool, "Pizza")
    gone = await add_organization(pool, "Gone")
    await apply(imports, admin, await imports.plan(rows_of(f"{ids[1]},Bakery,,")))
    plan = await imports.plan(
        rows_of(
            f"{ids[0]},Bakery,,", f"{ids[1]},Bakery,L,", f"{ids[2]},Gone,,", f"{ids[3]},Pizza,,"
        )
    )
    assert actions(plan) == ["create", "update", "create", "create"]
    await apply(imports, admin, await imports.plan(rows_of(f"{ids[0]},Pizza,,")))
    await pool.execute(
        "UPDATE callgate.phone_numbers SET organization_id = $1 WHERE vapi_phone_number_id = $2",
        pizza,
        ids[1],
    )
    await pool.execute("DELETE FROM callgate.organizations WHERE id = $1", gone)
    applied = await apply(imports, admin, plan)
    assert actions(applied) == [
        "phone_number_taken",
        "phone_number_taken",
        "organization_not_found",
        "create",
    ]
    there = await stored(pool)
    assert {found: there[found][0] for found in there} == dict.fromkeys(
        (ids[0], ids[1], ids[3]), pizza
    )
    assert there[ids[1]][2] is None
    assert bakery not in {row[0] for row in there.values()}


async def test_two_imports_at_once(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor
) -> None:
    ids = vapi.add_numbers(20)
    await add_organization(pool, "Bakery")
    plan = await imports.plan(rows_of(*(f"{found},Bakery,," for found in ids)))
    both = await asyncio.gather(*(apply(imports, admin, plan) for _ in range(2)))
    assert sum(found.figures["create"] for found in both) == 20
    assert (await stored(pool)).keys() == set(ids)
