"""`callgate doctor` and `callgate secrets` as processes: what they print and how they end."""

import asyncio
import os
import sys
from pathlib import Path

import orjson

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica


async def run(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """One command, with nothing of this machine's own settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VAPI_", "CALLGATE_", "DATABASE_", "NEXT_"))
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service", *arguments),
        env={**kept, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    assert b"Traceback" not in err
    return process.returncode, out.decode(), err.decode()


def settings_of(callgate: Replica, dsn: str, data_dir: Path) -> dict[str, str]:
    settings = callgate.service.settings
    return {
        "VAPI_API_KEY": settings.vapi_api_key.get_secret_value(),
        "VAPI_API_URL": settings.vapi_api_url,
        "VAPI_WEBHOOK_SECRET": settings.webhook_secrets[0],
        "VAPI_WEBHOOK_URL": settings.webhook_url,
        "CALLGATE_ALLOW_INSECURE_WEBHOOK_URL": "1",
        "CALLGATE_DATA_DIR": str(data_dir),
        "DATABASE_URL": dsn,
    }


async def test_the_doctor_says_what_is_wrong_and_how_it_ends(
    callgate: Replica, vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    environment = settings_of(callgate, dsn, tmp_path)
    code, out, err = await run(environment, "doctor")
    assert (code, err) == (0, "")
    assert "The webhook URL answers as ours." in out
    assert callgate.service.settings.webhook_secrets[0] not in out
    assistant = vapi.add_assistant(server={"url": "https://crm.example.net"})["id"]
    number_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    await callgate.add_number(await callgate.add_organization(), number_id)
    code, out, _ = await run(environment, "doctor", "--json")
    assert code == 1
    assert any("is shadowed" in finding["detail"] for finding in orjson.loads(out))
    code, out, _ = await run({"CALLGATE_DATA_DIR": str(tmp_path), "DATABASE_URL": dsn}, "doctor")
    assert code == 1
    assert "VAPI_API_KEY is missing" in out


async def test_secrets_shows_fingerprints_and_makes_new_ones(
    callgate: Replica, dsn: str, tmp_path: Path
) -> None:
    environment = settings_of(callgate, dsn, tmp_path)
    code, out, _ = await run(environment, "secrets")
    assert code == 0
    assert callgate.service.settings.webhook_secrets[0] not in out
    assert "Written to every number." in out
    _, first, steps = await run(environment, "secrets", "--new")
    assert len(first.strip()) > 30
    assert "VAPI_WEBHOOK_SECRET=<old>,<new>" in steps
