"""Imports while Vapi is away or lists badly, and numbers that are at Vapi and not here."""

from typing import Any
from uuid import uuid4

import pytest

from service.admin.actor import Actor
from service.admin.imports.imports import Imports
from service.domain.errors import ForbiddenError, InvalidError, UnavailableError
from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.admin.imports.imports.helpers import actions, add_organization, apply, rows_of, stored
from tests.support.service import Replica, eventually

PAGES = "GET /v2/phone-number"


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
    with pytest.raises(UnavailableError, match="not return the requested page"):
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
