"""The doctor finds problems, names the remedy, and shows no secret."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
from aiohttp import web
from pydantic import SecretStr

from service.admin.doctor.check import DoctorFinding
from service.admin.doctor.doctor import Doctor
from service.sandbox.server import SandboxVapi
from service.settings import Settings, load_settings
from service.store.pool import Pool, create_pool
from service.vapi.client import VapiClient
from tests.support.database import execute
from tests.support.service import Replica
from tests.support.settings import SECRET, settings_for

ELSEWHERE = {"url": "https://elsewhere.example.net/hook"}


async def examine(
    settings: Settings, pool: Pool | None, **limits: Any
) -> dict[str, list[DoctorFinding]]:
    """The findings by name."""

    async def unpaced(_priority: object) -> None:
        pass

    async with aiohttp.ClientSession() as session:
        client = VapiClient(session, settings.vapi_api_url, settings.vapi_api_key, unpaced)
        found: dict[str, list[DoctorFinding]] = {}
        for finding in await Doctor(settings, pool, client, session, **limits).examine():
            found.setdefault(finding.name, []).append(finding)
    assert SECRET not in repr(found)
    return found


def settings_of(callgate: Replica, **given: object) -> Settings:
    return callgate.service.settings.model_copy(update=given)


async def test_all_is_well(callgate: Replica, vapi: SandboxVapi) -> None:
    assistant = vapi.add_assistant()["id"]
    number_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    await callgate.add_number(await callgate.add_organization(), number_id)
    await callgate.api("POST", "/reconcile")
    found = await examine(callgate.service.settings, callgate.service.pool)
    assert {one.level for findings in found.values() for one in findings} == {"ok", "note"}
    assert found["numbers"][0].detail == "1 number is registered: 1 in_sync."
    assert found["webhook"][0].detail == "The webhook URL answers as ours."


async def test_numbers_that_are_not_released_yet_are_named(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """No list shows them, so the doctor names as many as it counts."""
    owner = await callgate.add_organization()
    await callgate.service.background.stop("reconcile", "sweeps")
    for label in ("Old line", "Older line"):
        number = await callgate.add_number(
            owner, vapi.add_number(provider="vapi")["id"], label=label
        )
        await callgate.service.pool.execute(
            "UPDATE callgate.phone_numbers SET released_at = now() - interval '1 hour' WHERE id = $1",
            UUID(number["id"]),
        )
    found = await examine(callgate.service.settings, callgate.service.pool)
    details = [one.detail for one in found["numbers"] if one.kind == "numbers_releasing"]
    assert "2 numbers" in details[0]
    assert sorted(detail.split(" is ")[0] for detail in details[1:]) == ["Old line", "Older line"]


async def test_a_refused_key_and_a_vapi_that_is_away(callgate: Replica, vapi: SandboxVapi) -> None:
    wrong = settings_of(callgate, vapi_api_key=SecretStr("wrong"))
    found = await examine(wrong, callgate.service.pool)
    assert (found["key"][0].level, "refuses" in found["key"][0].detail) == ("failed", True)
    await vapi.down()
    found = await examine(callgate.service.settings, callgate.service.pool)
    assert "cannot be asked" in found["key"][0].detail


async def test_without_a_database_the_rest_is_examined(vapi: SandboxVapi, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, vapi.base_url)
    found = await examine(settings, None)
    assert found["database"][0].level == "failed"
    assert found["key"][0].level == "ok"
    assert "numbers" not in found
    assert "schema" not in found
    assert "numbers" in found["left_out"][0].detail


async def test_broken_settings_are_findings(dsn: str, tmp_path: Path) -> None:
    settings = load_settings(serving=False, callgate_data_dir=tmp_path)
    pool = await create_pool(dsn, 2)
    try:
        found = await examine(settings, pool)
    finally:
        await pool.close()
    names = " ".join(finding.detail for finding in found["settings"])
    assert "VAPI_API_KEY" in names
    assert "VAPI_WEBHOOK_SECRET" in names
    assert "key" not in found
    assert "webhook" not in found
    assert "key, webhook, secrets" in found["left_out"][0].detail
    assert found["numbers"][0].detail == "No number is registered."


async def test_a_schema_that_is_behind(callgate: Replica, dsn: str) -> None:
    pool = callgate.service.pool
    await execute(dsn, "UPDATE callgate.alembic_version SET version_num = '0001'")
    found = await examine(callgate.service.settings, pool)
    assert (found["schema"][0].level, found["schema"][0].remedy) == ("failed", "callgate migrate")
    assert "numbers" not in found
    assert found["key"][0].level == "ok"


async def test_an_empty_database_keeps_nothing_else_from_being_examined(
    callgate: Replica, empty_dsn: str
) -> None:
    pool = await create_pool(empty_dsn, 2)
    try:
        found = await examine(callgate.service.settings, pool)
    finally:
        await pool.close()
    assert found["database"][0].level == "ok"
    assert (found["schema"][0].level, found["schema"][0].remedy) == ("failed", "callgate migrate")
    assert "empty" in found["schema"][0].detail
    assert {found[name][0].level for name in ("key", "webhook")} == {"ok"}
    assert "reconcile, numbers" in found["left_out"][0].detail


async def test_no_secret_goes_where_a_setting_is_at_fault(callgate: Replica) -> None:
    plain = {
        "vapi_api_url": "http://vapi.example.net",
        "callgate_allow_insecure_webhook_url": False,
    }
    found = await examine(settings_of(callgate, **plain), callgate.service.pool)
    assert {"key", "webhook"}.isdisjoint(found)
    assert len(found["settings"]) == 2


async def test_each_check_has_its_own_deadline_and_names_who_was_slow(
    callgate: Replica, dsn: str
) -> None:
    locker = await asyncpg.connect(dsn)
    async with locker.transaction():
        await locker.execute("LOCK TABLE callgate.webhook_states IN ACCESS EXCLUSIVE MODE")
        found = await examine(
            callgate.service.settings, callgate.service.pool, database_seconds=1.0
        )
    await locker.close()
    assert found["numbers"][0].level == "failed"
    assert found["numbers"][0].detail.startswith("PostgreSQL is too slow: no answer within 1.")
    for name in ("key", "webhook", "reconcile", "hangups", "budget"):
        assert [one.level for one in found[name]] == ["ok"], found[name]


async def test_a_vapi_that_is_too_slow_is_called_so(callgate: Replica) -> None:
    async def receive(_request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path:.*}", receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slow = settings_of(callgate, vapi_api_url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    found = await examine(slow, callgate.service.pool, vapi_seconds=0.3)
    await runner.cleanup()
    assert (found["key"][0].level, found["key"][0].detail[:16]) == ("failed", "Vapi is too slow")
    assert found["numbers"][0].level == "ok"


async def test_what_postgres_does_not_let_us_read_is_a_finding(callgate: Replica, dsn: str) -> None:
    pool = callgate.service.pool
    await execute(dsn, "ALTER TABLE callgate.sweeps RENAME COLUMN outcome TO elsewhere")
    found = await examine(callgate.service.settings, pool)
    await execute(dsn, "ALTER TABLE callgate.sweeps RENAME COLUMN elsewhere TO outcome")
    assert found["reconcile"][0].level == "failed"
    assert "PostgreSQL denied the query" in found["reconcile"][0].detail
    assert found["numbers"][0].level == "ok"
