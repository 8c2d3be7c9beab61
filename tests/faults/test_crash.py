"""A replica that dies and restarts: no acknowledged record is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from service.access.first_message import BLOCKED, HANGING_UP
from service.sandbox.server import SandboxVapi
from tests.support.process import ServiceProcess
from tests.support.service import Replica, eventually

PLAN = {"code": "pro", "status": "active"}


@pytest.fixture
async def process(vapi: SandboxVapi, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    started = ServiceProcess(vapi, tmp_path / "data")
    await started.start()
    yield started
    await started.end()


@pytest.fixture
async def client(process: ServiceProcess) -> AsyncIterator[Replica]:
    """A client of the process; there is no service object on this side."""
    async with aiohttp.ClientSession() as session:
        yield Replica(None, session, process.url)  # type: ignore[arg-type]


async def test_killed_right_after_the_403_the_call_is_hung_up_after_the_restart(
    process: ServiceProcess, client: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    await client.add_number(await client.add_organization(), number_id)
    vapi.fail("POST */control", stall=30)
    message = vapi.live_call(number_id)
    call_id = message["message"]["call"]["id"]
    answer = await client.post(message)
    assert answer.status == 403
    await process.kill()
    assert vapi.calls[call_id].live
    vapi.faults.clear()
    await process.start()
    await eventually(lambda: asyncio.sleep(0, not vapi.calls[call_id].live), 20)
    call = await client.call(call_id)
    assert call["decision"]["id"] == answer.json["decision_id"]
    again = await client.post(message)
    assert (again.status, again.json["decision_id"]) == (403, answer.json["decision_id"])
    log = process.log.read_text()
    assert (log.count(BLOCKED), log.count(HANGING_UP)) == (1, 1)


async def test_acknowledged_records_survive_a_kill(
    process: ServiceProcess, client: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    await client.add_number(await client.add_organization(), number_id)
    messages = [vapi.live_call(number_id) for _ in range(40)]
    answered: list[str] = []

    async def post(message: Any) -> None:
        try:
            answer = await client.post(message)
        except aiohttp.ClientError:
            return
        assert answer.status == 403
        answered.append(message["message"]["call"]["id"])

    posting = asyncio.gather(*(post(message) for message in messages))
    await eventually(lambda: asyncio.sleep(0, len(answered) >= 5))
    await process.kill()
    await posting
    await process.start()
    for call_id in answered:
        assert (await client.call(call_id))["status"] == "failed"


async def test_sigterm_ends_with_zero_and_leaves_no_server_behind(
    process: ServiceProcess, client: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    organization_id = await client.add_organization()
    await client.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    await client.add_number(organization_id, number_id)
    assert (await client.post(vapi.live_call(number_id))).status == 200
    assert await process.end() == 0
    log = process.log.read_text()
    assert "service.ended" in log
    assert "Traceback" not in log


async def test_nothing_secret_is_in_the_log(
    process: ServiceProcess, client: Replica, vapi: SandboxVapi
) -> None:
    caller = "+15550107777"
    number_id = vapi.add_number(provider="vapi")["id"]
    await client.add_number(await client.add_organization(), number_id)
    vapi.fail_next("POST */control", status=500)
    message = vapi.live_call(number_id, caller=caller)
    message["message"]["transcript"] = "a-spoken-secret"
    assert (await client.post(message)).status == 403
    await client.post(message, secret="a-forged-secret")
    await client.session.post(
        f"{client.url}/api/vapi/webhook",
        data=b"{",
        headers={"X-Vapi-Secret": "the-webhook-secret-of-the-tests"},
    )
    call_id = message["message"]["call"]["id"]
    await eventually(lambda: asyncio.sleep(0, not vapi.calls[call_id].live))
    log = process.log.read_text()
    for secret in (
        "the-webhook-secret-of-the-tests",
        "a-forged-secret",
        "cg_the-admin-token-of-the-tests",
        vapi.api_key,
        "/control",
        caller,
        "a-spoken-secret",
    ):
        assert secret not in log, secret
