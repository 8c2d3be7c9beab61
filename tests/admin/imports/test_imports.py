"""Importing numbers: a plan that is true, rows that stand alone, and nothing left for a second run."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from pydantic import SecretStr

from service.admin.actor import Actor
from service.admin.imports import vapi_numbers
from service.admin.imports.csv_file import ImportRow, parse_import
from service.admin.imports.imports import Imports
from service.admin.imports.plan import ImportPlan, PlannedRow
from service.admin.phone_numbers.phone_numbers import PhoneNumbers, Probed
from service.domain.errors import ForbiddenError, InvalidError, UnavailableError
from service.domain.phone_numbers import Sync
from service.domain.priority import Priority
from service.sandbox.server import SandboxVapi
from service.store.audit import list_audit
from service.store.pool import Pool
from service.vapi.client import VapiClient
from tests.support.service import Replica, eventually

PAGES = "GET /v2/phone-number"


class NoReconciler:
    """For an import that leaves Vapi to the loop; what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[UUID] = []

    async def probe(self, vapi_phone_number_id: str) -> Probed | None:
        raise AssertionError("an import asks Vapi by pages")

    async def reconcile(self, phone_number_id: UUID) -> Sync | None:
        self.asked.append(phone_number_id)
        return None


@pytest.fixture
async def imports(pool: Pool, vapi: SandboxVapi) -> AsyncIterator[Imports]:
    async def at_once(_priority: Priority) -> None: ...

    async def freshen(_organization_id: UUID) -> None: ...

    async with aiohttp.ClientSession() as session:
        client = VapiClient(session, vapi.base_url, SecretStr(vapi.api_key), at_once)
        numbers = PhoneNumbers(pool, freshen, NoReconciler())
        yield Imports(pool, client, numbers, wait_seconds=0.001)


async def add_organization(pool: Pool, name: str, external_id: str | None = None) -> UUID:
    found: UUID = await pool.fetchval(
        "INSERT INTO callgate.organizations (name, external_id) VALUES ($1, $2) RETURNING id",
        name,
        external_id,
    )
    return found


def rows_of(*lines: str) -> list[Any]:
    text = "\n".join(("phone_number,organization,label,gate", *lines))
    return list(parse_import(text.encode()))


async def apply(imports: Imports, admin: Actor, plan: ImportPlan) -> ImportPlan:
    told: list[PlannedRow] = []
    applied = await imports.apply(admin, plan, told.append)
    assert tuple(told) == applied.rows
    return applied


def actions(plan: ImportPlan) -> list[str]:
    return [row.code or row.action for row in plan.rows]


async def stored(pool: Pool) -> dict[str, tuple[Any, ...]]:
    rows = await pool.fetch(
        "SELECT n.*, s.state, s.next_attempt_at <= now() AS due FROM callgate.phone_numbers n "
        "JOIN callgate.webhook_states s ON s.phone_number_id = n.id"
    )
    fields = ("organization_id", "number", "label", "gate", "state", "due")
    return {row["vapi_phone_number_id"]: tuple(row[name] for name in fields) for row in rows}


async def test_three_hundred_numbers(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor
) -> None:
    """Ids and E.164 mixed: one page of Vapi's, rows that are due, and an entry of the audit each."""
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
    audit = await list_audit(
        pool, object_type="phone_number", object_id=None, actor=None, before_id=None, limit=1000
    )
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
    words = (str(first), str(first).upper(), "ext", str(second), str(third))
    rows = [ImportRow(line, f"v{line}", word) for line, word in enumerate(words)]
    plan = await imports.judge(rows, vapi_numbers.KnownNumbers())
    assert [row.organization_id for row in plan.rows] == [first, first, first, second, third]


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


async def test_an_id_that_no_page_shows_is_asked_for_alone(
    imports: Imports, pool: Pool, vapi: SandboxVapi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that was removed while the pages were read lets another one slip through."""
    number_id = vapi.add_numbers(1)[0]
    await add_organization(pool, "Bakery")
    listed = await imports.client.list_phone_numbers_page(1)

    async def empty(*_: object, **__: object) -> Any:
        return type(listed)((), has_next=False)

    monkeypatch.setattr(imports.client, "list_phone_numbers_page", empty)
    rows = rows_of(f"{number_id},Bakery,,", f"{uuid4()},Bakery,,", "v.1:x,Bakery,,")
    plan = await imports.plan(rows)
    assert actions(plan) == ["create"] + ["vapi_phone_number_not_found"] * 2
    assert plan.rows[0].number == "+15550000000"
    assert len(vapi.requests("GET /phone-number/*")) == 3
    vapi.fail("GET /phone-number/*", status=400)
    assert actions(await imports.plan(rows)) == ["vapi_phone_number_not_found"] * 3
    vapi.faults.clear()
    vapi.fail("GET /phone-number/*", status=500)
    plan = await imports.plan(rows)
    assert actions(plan) == ["create"] * 3
    assert plan.warning is not None


async def test_vapi_cannot_be_asked(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor
) -> None:
    """Ids wait as pending; an E.164 number cannot be resolved."""
    number_id = vapi.add_numbers(1)[0]
    await add_organization(pool, "Bakery")
    rows = rows_of(f"{number_id},Bakery,,", "+15550000000,Bakery,,")
    for fault in ({"status": 503}, {"html": True}, {"truncated": True}, {"status": 401}):
        vapi.fail(PAGES, **fault)
        plan = await imports.plan(rows)
        assert actions(plan) == ["create", "vapi_unavailable"]
        assert "pending" in (plan.warning or "")
        vapi.faults.clear()
    await apply(imports, admin, plan)
    assert (await stored(pool))[number_id][4] == "pending"
    plan = await imports.plan(rows)
    assert plan.warning is None
    assert actions(plan) == ["unchanged", "duplicate_row"]


async def test_a_bad_moment_of_vapis_is_waited_for(
    imports: Imports, pool: Pool, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_numbers(1)[0]
    await add_organization(pool, "Bakery")
    vapi.fail_next(PAGES, status=502)
    vapi.fail_next(PAGES, status=429, retry_after=0)
    plan = await imports.plan(rows_of("+15550000000,Bakery,,"))
    assert plan.rows[0].vapi_phone_number_id == number_id
    vapi.fail_next(PAGES, status=429, retry_after=200)
    plan = await imports.plan(rows_of("+15550000000,Bakery,,"))
    assert actions(plan) == ["vapi_unavailable"]


async def test_only_admins_import(imports: Imports, pool: Pool, vapi: SandboxVapi) -> None:
    number_id = vapi.add_numbers(1)[0]
    await add_organization(pool, "Bakery")
    plan = await imports.plan(rows_of(f"{number_id},Bakery,,"))
    with pytest.raises(ForbiddenError):
        await imports.apply(Actor("sue", "support", "web"), plan, lambda _row: None)
    assert await stored(pool) == {}


async def test_without_a_database_each_row_says_so(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor
) -> None:
    ids = vapi.add_numbers(6)
    await add_organization(pool, "Bakery")
    plan = await imports.plan(rows_of(*(f"{found},Bakery,," for found in ids)))
    pool.terminate()
    applied = await apply(imports, admin, plan)
    assert actions(applied) == ["unavailable"] * 6
    assert "Not tried" in (applied.rows[5].message or "")


async def test_what_is_at_vapi_and_not_here(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor
) -> None:
    ids = vapi.add_numbers(3)
    await add_organization(pool, "Bakery")
    await apply(imports, admin, await imports.plan(rows_of(f"{ids[1]},Bakery,,")))
    vapi.edit_number(
        ids[2],
        assistantId="asst-1",
        name="\u202e=Odd\x00",
        server={"url": "https://u:p@old.example.net/hook?key=1"},
    )
    found = [number async for page in imports.unregistered() for number in page]
    assert [number.id for number in found] == [ids[0], ids[2]]
    assert found[1].number == "+15550000002"
    assert found[1].name == "=Odd"
    assert found[1].answered_by == {"assistantId": "asst-1"}
    assert found[1].webhook_url == "https://old.example.net/hook"
    vapi.fail(PAGES, status=500)
    with pytest.raises(UnavailableError):
        [page async for page in imports.unregistered()]


async def test_all_of_vapis_for_one_organization(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor
) -> None:
    ids = vapi.add_numbers(5)
    vapi.edit_number(ids[0], name="=Odd")
    with pytest.raises(InvalidError, match="no such organization"):
        await imports.plan_unregistered("Bakery")
    with pytest.raises(InvalidError, match="control"):
        await imports.plan_unregistered("Bak\udcffery")
    bakery = await add_organization(pool, "Bakery")
    plan = await imports.plan_unregistered("Bakery")
    await apply(imports, admin, plan)
    there = await stored(pool)
    assert there[ids[0]][:3] == (bakery, "+15550000000", None)
    assert there[ids[4]][:3] == (bakery, "+15550000004", "Line 4")
    assert (await imports.plan_unregistered("Bakery")).rows == ()


async def test_thousands_come_by_pages(imports: Imports, vapi: SandboxVapi) -> None:
    ids = vapi.add_numbers(2_100)
    pages = [[number.id for number in page] async for page in imports.unregistered()]
    assert [len(page) for page in pages] == [1000, 1000, 100]
    assert [found for page in pages for found in page] == ids
    assert len(vapi.requests()) == 3


async def test_a_list_that_never_ends_is_no_truth(
    imports: Imports, vapi: SandboxVapi, monkeypatch: pytest.MonkeyPatch
) -> None:
    vapi.add_numbers(2)
    first = await imports.client.list_phone_numbers_page(1)

    async def again(*_: object, **__: object) -> Any:
        return type(first)(first.numbers, has_next=True)

    monkeypatch.setattr(imports.client, "list_phone_numbers_page", again)
    with pytest.raises(UnavailableError, match="repeats the same page"):
        [page async for page in imports.unregistered()]


async def test_a_running_service_configures_what_is_imported(
    callgate: Replica, vapi: SandboxVapi, admin: Actor, pool: Pool, imports: Imports
) -> None:
    """Register wakes the loop by itself: nothing else tells the service."""
    ids = vapi.add_numbers(5)
    await callgate.add_organization()
    await apply(
        imports, admin, await imports.plan(rows_of(*(f"{found},Bakery,," for found in ids)))
    )

    async def configured() -> bool:
        return all((vapi.numbers.find(found) or {}).get("server") for found in ids)

    await eventually(configured)
