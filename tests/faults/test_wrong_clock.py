"""A machine whose clock is ten minutes behind: genuine messages are accepted, the fault is shown."""

import time
from pathlib import Path

from service.admin.organizations.what_if import WhatIf
from service.sandbox.server import SandboxVapi
from service.serve.command_cases import open_deciding_cases
from service.store.pool import Pool
from tests.support.database_clock import shift_clock
from tests.support.service import Start, eventually
from tests.support.settings import settings_for
from tests.web.test_replays import blocked_call, send, signed

BEHIND_SECONDS = 600.0


async def test_signed_messages_are_judged_by_the_databases_clock(
    start_replica: Start, vapi: SandboxVapi, pool: Pool, tmp_path: Path
) -> None:
    await shift_clock(pool, BEHIND_SECONDS)
    callgate = await start_replica(vapi_webhook_auth="hmac")
    message = await blocked_call(callgate, vapi)
    assert await send(callgate, *signed(message, at=time.time() + BEHIND_SECONDS)) == 403
    assert await send(callgate, *signed(message, at=time.time())) == 401

    async def clock_in_readiness() -> object:
        async with callgate.session.get(f"{callgate.url}/readyz") as response:
            checks = (await response.json())["checks"]
        return next((one for one in checks if one["name"] == "clock"), None)

    check = await eventually(clock_in_readiness)
    assert (check["level"], check["kind"]) == ("degraded", "clock_wrong")

    async def offset() -> float:
        async with callgate.session.get(f"{callgate.url}/metrics") as response:
            text = await response.text()
        line = next(one for one in text.splitlines() if one.startswith("callgate_clock_offset_"))
        return float(line.rpartition(" ")[2])

    assert abs(await offset() - BEHIND_SECONDS) < 10
    report = (await callgate.service.use_cases.examinations.examine()).findings
    assert "clock_wrong" in {finding.kind for finding in report}


async def test_commands_judge_access_by_the_databases_clock(
    vapi: SandboxVapi, pool: Pool, dsn: str, tmp_path: Path
) -> None:
    owner = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ('Bakery') RETURNING id"
    )
    await pool.execute(
        "INSERT INTO callgate.trials (organization_id, ends_at) VALUES ($1, now() + interval '5 min')",
        owner,
    )
    await shift_clock(pool, BEHIND_SECONDS)
    async with open_deciding_cases(settings_for(tmp_path, vapi.base_url), dsn) as cases:
        decision = await cases.organization_access.decide(owner, WhatIf())
    assert decision.reason == "trial_expired"
