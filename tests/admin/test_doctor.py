"""The doctor finds what is not well, says the remedy, and shows no secret."""

from pathlib import Path

import aiohttp
from pydantic import SecretStr

from service.admin.doctor import Doctor
from service.admin.doctor_check import Finding
from service.sandbox.server import SandboxVapi
from service.settings import Settings, load_settings
from service.store.pool import Pool, create_pool
from service.vapi.client import VapiClient
from tests.support.service import SECRET, Replica, settings_for

ELSEWHERE = {"url": "https://elsewhere.example.net/hook"}


async def examine(settings: Settings, pool: Pool | None) -> dict[str, list[Finding]]:
    """The findings by name."""

    async def unpaced(_priority: object) -> None:
        pass

    async with aiohttp.ClientSession() as session:
        client = VapiClient(session, settings.vapi_api_url, settings.vapi_api_key, unpaced)
        found: dict[str, list[Finding]] = {}
        for finding in await Doctor(settings, pool, client, session).examine():
            found.setdefault(finding.name, []).append(finding)
    assert SECRET not in repr(found)
    return found


def settings_of(callgate: Replica, **given: object) -> Settings:
    return callgate.service.settings.model_copy(update=given)


async def test_all_is_well(callgate: Replica, vapi: SandboxVapi) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(await callgate.add_organization(), number_id)
    await callgate.api("POST", "/reconcile")
    found = await examine(callgate.service.settings, callgate.service.pool)
    assert {one.level for findings in found.values() for one in findings} == {"ok"}, found
    assert found["numbers"][0].detail == "1 of 1 numbers are in sync."
    assert found["webhook"][0].detail == "The webhook URL answers as ours."


async def test_what_is_wrong_with_numbers_comes_with_its_remedy(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization("Bakery")
    assistant = vapi.add_assistant(name="Order taker", server={"url": "https://crm.example.net"})
    shadowed = vapi.add_number(provider="vapi", assistantId=assistant["id"])["id"]
    gone, paused = vapi.add_numbers(2, provider="vapi")
    await callgate.add_number(owner, shadowed, label="Front desk")
    missing = await callgate.add_number(owner, gone, label="Old line")
    held = await callgate.add_number(owner, paused, label="Test line")
    vapi.numbers.remove(gone)
    await callgate.api("POST", f"/phone-numbers/{missing['id']}/sync")
    await callgate.api("PUT", f"/phone-numbers/{held['id']}/pause", {"reason": "their test"})
    await callgate.api("PUT", "/reconcile/pause", {"reason": "migration"})
    found = await examine(callgate.service.settings, callgate.service.pool)
    details = [finding.detail for finding in found["numbers"]]
    assert any(text.startswith("Front desk of Bakery is shadowed.") for text in details)
    assert any(assistant["id"] in text for text in details)
    assert any(text.startswith("Old line of Bakery is missing.") for text in details)
    assert any("by admin-token: their test" in text for text in details)
    assert "migration" in found["reconcile"][0].detail
    assert all(one.remedy for findings in found.values() for one in findings if one.level != "ok")


async def test_a_refused_key_and_a_vapi_that_is_away(callgate: Replica, vapi: SandboxVapi) -> None:
    wrong = settings_of(callgate, vapi_api_key=SecretStr("wrong"))
    found = await examine(wrong, callgate.service.pool)
    assert (found["key"][0].level, "refuses" in found["key"][0].detail) == ("failed", True)
    await vapi.down()
    found = await examine(callgate.service.settings, callgate.service.pool)
    assert "cannot be asked" in found["key"][0].detail


async def test_without_a_database_the_rest_is_examined(vapi: SandboxVapi, tmp_path: Path) -> None:
    settings = settings_for(vapi, tmp_path)
    found = await examine(settings, None)
    assert found["database"][0].level == "failed"
    assert found["key"][0].level == "ok"
    assert "numbers" not in found


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


async def test_a_schema_that_is_behind(callgate: Replica) -> None:
    pool = callgate.service.pool
    await pool.execute("UPDATE callgate.alembic_version SET version_num = '0001'")
    found = await examine(callgate.service.settings, pool)
    assert (found["schema"][0].level, found["schema"][0].remedy) == ("failed", "callgate migrate")
