"""`callgate usage` as an operator uses it: a real process on the database of the service."""

import os
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from service.store.pool import Pool
from tests.support.calls import AT, new_call, record
from tests.support.commands import run_beside

Run = Callable[..., Awaitable[tuple[int, str, str]]]
ADD = "INSERT INTO callgate.organizations (name) VALUES ($1) RETURNING id"
NOVEMBER = ("--from", "2026-11-01", "--to", "2026-12-01")


@pytest.fixture
def run(dsn: str, tmp_path: Path) -> Run:
    """Runs `callgate usage …`: exit code, output, errors."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**kept, "CALLGATE_DATA_DIR": str(tmp_path), "DATABASE_URL": dsn}

    async def once(*arguments: str) -> tuple[int, str, str]:
        done = await run_beside(environment, "usage", *arguments)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return once


async def add_call(pool: Pool, owner: UUID, at: datetime, seconds: float) -> None:
    count = await pool.fetchval("SELECT count(*) FROM callgate.calls")
    call = new_call(
        f"call-{count}",
        organization_id=owner,
        started_at=at,
        ended_at=at,
        duration_seconds=seconds,
        cost=Decimal("0.5"),
    )
    await record(pool, call)


async def test_the_largest_is_first_and_all_are_summed(run: Run, pool: Pool) -> None:
    small, large = [await pool.fetchval(ADD, name) for name in ("Small", "Large")]
    await add_call(pool, small, AT, 60.0)
    await add_call(pool, large, AT, 7200.0)
    await add_call(pool, large, AT - timedelta(days=31), 999.0)
    code, out, _ = await run(*NOVEMBER)
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:2] == ["From", "2026-11-01T00:00:00Z"]
    assert ["Large", "1", "0", "120.0", "$0.50", "0"] in lines
    assert lines.index(["Small", "1", "0", "1.0", "$0.50", "0"]) == 3
    assert ["all", "2", "0", "121.0", "$1.00", "0"] in lines
    _, out, _ = await run(*NOVEMBER, "--json")
    one, two = orjson.loads(out)
    assert (one["name"], one["seconds"], one["cost"]) == ("Large", 7200.0, 0.5)
    assert (two["organization_id"], two["from"]) == (str(small), "2026-11-01T00:00:00Z")


async def test_a_rebuild_puts_wrong_sums_right(run: Run, pool: Pool) -> None:
    owner = await pool.fetchval(ADD, "Acme")
    await add_call(pool, owner, AT, 60.0)
    await pool.execute("DELETE FROM callgate.usage_deltas")
    code, out, _ = await run("rebuild")
    assert code == 0
    assert "Summed up 1 calls of 1 organizations" in out
    assert "corrected: 1." in out
    _, out, _ = await run(*NOVEMBER, "--json")
    assert orjson.loads(out)[0]["seconds"] == 60.0
    actions = await pool.fetch("SELECT action, actor FROM callgate.audit")
    assert [tuple(row) for row in actions] == [("usage.rebuilt", "command line")]


@pytest.mark.parametrize(
    ("given", "option"),
    [
        (("--from", "yesterday"), "--from"),
        (("--to", "2026-02-30"), "--to"),
        (("--from", "2026-11-02", "--to", "2026-11-01"), "--to"),
    ],
)
async def test_a_wrong_period_is_refused_by_name(run: Run, given: list[str], option: str) -> None:
    code, _, err = await run(*given)
    assert code == 2
    assert f"Invalid value for {option}" in err
