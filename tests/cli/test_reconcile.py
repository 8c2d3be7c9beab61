"""`callgate reconcile` as an operator uses it: real processes, exit codes, no service running."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.commands import clean_environment, run_beside

WEBHOOK_URL = "https://calls.agency.net/api/vapi/webhook"
ELSEWHERE = {"url": "https://elsewhere.example.net/hook"}

Run = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def run(vapi: SandboxVapi, dsn: str, tmp_path: Path) -> Run:
    """Runs `callgate reconcile …`: exit code, output, errors."""
    environment = {
        **clean_environment(),
        "VAPI_API_KEY": vapi.api_key,
        "VAPI_API_URL": vapi.base_url,
        "VAPI_WEBHOOK_SECRET": "the-webhook-secret-of-the-tests",
        "VAPI_WEBHOOK_URL": WEBHOOK_URL,
        "CALLGATE_DATA_DIR": str(tmp_path),
        "CALLGATE_VAPI_REQUESTS_PER_SECOND": "1000",
        "DATABASE_URL": dsn,
    }

    async def once(*arguments: str, **given: str) -> tuple[int, str, str]:
        done = await run_beside({**environment, **given}, "reconcile", *arguments)
        assert "Traceback" not in done.stderr
        assert "the-webhook-secret-of-the-tests" not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr

    return once


async def register(pool: Pool, ids: list[str]) -> None:
    """Numbers that an import left unconfigured."""
    await pool.execute(
        """
        WITH owner AS (INSERT INTO callgate.organizations (name) VALUES ('Bakery') RETURNING id),
        numbers AS (
            INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, label)
            SELECT owner.id, vapi_id, 'Line of the bakery' FROM owner, unnest($1::text[]) AS vapi_id
            RETURNING id)
        INSERT INTO callgate.webhook_states (phone_number_id, ordered_by, ordered_from)
        SELECT id, 'ada', 'cli' FROM numbers
        """,
        ids,
    )


def server(vapi: SandboxVapi, number_id: str) -> Any:
    return (vapi.numbers.find(number_id) or {}).get("server")


async def test_what_was_imported_is_configured_and_drift_is_repaired(
    run: Run, vapi: SandboxVapi, pool: Pool
) -> None:
    ids = vapi.add_numbers(15, provider="vapi")
    await register(pool, ids)
    code, out, _ = await run()
    assert code == 0, out
    assert {server(vapi, number_id)["url"] for number_id in ids} == {WEBHOOK_URL}

    assert (await run("--dry-run"))[0] == 0
    vapi.edit_number(ids[0], server=dict(ELSEWHERE))
    writes = len(vapi.requests("PATCH *"))
    code, out, _ = await run("--dry-run")
    assert code == 2
    assert "Line of the bakery" in out
    assert ELSEWHERE["url"] in out
    assert "Nothing was changed." in out
    code, out, _ = await run("--dry-run", "--json")
    assert code == 2
    report = orjson.loads(out)
    assert (report["checked"], report["drifted"], report["repaired"]) == (15, 1, 0)
    assert len(vapi.requests("PATCH *")) == writes

    code, out, _ = await run("--json")
    assert code == 0
    assert orjson.loads(out)["repaired"] == 1
    assert server(vapi, ids[0])["url"] == WEBHOOK_URL

    vapi.numbers.remove(ids[0])
    code, out, _ = await run("--dry-run")
    assert code == 1
    assert "15 checked: 14 in sync, 1 missing at Vapi." in out
    assert "Line of the bakery" in out
    assert "Remove the number here" in out


async def test_too_many_changes_are_asked_about(run: Run, vapi: SandboxVapi, pool: Pool) -> None:
    ids = vapi.add_numbers(12, provider="vapi")
    await register(pool, ids)
    assert (await run())[0] == 0
    for number_id in ids:
        vapi.edit_number(number_id, server=dict(ELSEWHERE))
    code, _, err = await run()
    assert code == 1
    assert "would change 12 of 12 numbers" in err
    assert server(vapi, ids[0]) == ELSEWHERE
    code, out, _ = await run("--dry-run", "--json")
    assert code == 2
    code, _, _ = await run("--plan", orjson.loads(out)["plan"])
    assert code == 0
    assert server(vapi, ids[0])["url"] == WEBHOOK_URL


async def test_failures_end_with_one(run: Run, vapi: SandboxVapi, pool: Pool) -> None:
    ids = vapi.add_numbers(2, provider="vapi")
    await register(pool, ids)
    assert (await run())[0] == 0
    vapi.edit_number(ids[0], server=dict(ELSEWHERE))
    vapi.fail("PATCH /phone-number/*", status=400)
    code, out, _ = await run("--json")
    assert code == 1
    assert orjson.loads(out)["failed"] == 1
    vapi.faults.clear()
    vapi.fail("* /*phone-number*", status=401)
    code, _, err = await run("--dry-run")
    assert code == 1
    assert "VAPI_API_KEY" in err
    code, _, err = await run(VAPI_API_KEY="", CALLGATE_LOG_LEVEL="ERROR")
    assert code == 1
    assert "VAPI_API_KEY is missing" in err


async def test_numbers_that_a_doubtful_list_lacks_are_named(
    run: Run, vapi: SandboxVapi, pool: Pool
) -> None:
    ids = vapi.add_numbers(13)
    await register(pool, ids)
    await pool.execute("UPDATE callgate.webhook_states SET state = 'in_sync'")
    for vapi_id in ids[:12]:
        vapi.numbers.remove(vapi_id)
    code, out, err = await run("--dry-run")
    assert code == 1
    assert out.count("not listed") == 12
    assert "Vapi does not list 12 of 13 registered numbers: Line of the bakery" in err
    assert "VAPI_API_KEY" in err
