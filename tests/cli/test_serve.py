"""The command line as an operator uses it: real processes, real database, exit codes."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import asyncpg
import pytest

from tests.support.commands import clean_environment, run_command

SETTINGS = {
    "VAPI_API_KEY": "private-key",
    "VAPI_WEBHOOK_SECRET": "the-webhook-secret-of-the-tests",
    "VAPI_WEBHOOK_URL": "https://calls.agency.net/api/vapi/webhook",
    "CALLGATE_PORT": "0",
}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command; nothing of this machine's own settings reaches it."""
    return run_command(clean_environment(**environment), *arguments)


def test_policies_lists_the_chain() -> None:
    done = run("policies")
    assert done.returncode == 0
    names = [line.split()[1] for line in done.stdout.splitlines()[1:]]
    shipped = ["caller_rules", "opening_hours", "quota", "concurrency"]
    expected = ["admin_override", *shipped, "plan", "trial"]
    assert [name for name in names if name != "external"] == expected


def test_serve_says_all_that_is_missing(tmp_path: Path) -> None:
    done = run("serve", CALLGATE_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    for name in ("VAPI_API_KEY", "VAPI_WEBHOOK_SECRET", "VAPI_WEBHOOK_URL", "NEXT_PUBLIC_APP_URL"):
        assert name in done.stderr
    assert "callgate serve --sandbox" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_of_the_sandbox_is_said(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        given = {"CALLGATE_DATA_DIR": str(tmp_path), "CALLGATE_SANDBOX_PORT": port}
        done = run("serve", "--sandbox", "--port", "0", **given)
    assert done.returncode == 1
    assert f"CALLGATE_SANDBOX_PORT {port}" in done.stderr
    assert "database" not in done.stderr


def test_the_version_is_printed() -> None:
    command = [sys.executable, "-m", "service", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"callgate {metadata.version('callgate')}\n"


async def test_a_token_and_an_explanation(dsn: str) -> None:
    made = run("token", "create", "support desk", "--role", "support", DATABASE_URL=dsn)
    assert made.returncode == 0
    assert made.stdout.startswith("cg_")
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "INSERT INTO callgate.organizations (name, external_id) VALUES ('Bakery', 'b-1')"
    )
    stored = await connection.fetchval("SELECT token_hash FROM callgate.api_tokens")
    await connection.close()
    assert made.stdout.strip().encode() not in stored
    explained = run("explain", "b-1", DATABASE_URL=dsn)
    assert explained.returncode == 0
    assert "Bakery: denied, no_plan_or_trial" in explained.stdout
    stored_plan = "INSERT INTO callgate.plans (organization_id, code, status) "
    connection = await asyncpg.connect(dsn)
    await connection.execute(stored_plan + "SELECT id, 'pro', 'active' FROM callgate.organizations")
    await connection.close()
    now = run("explain", "b-1", DATABASE_URL=dsn)
    assert "Bakery: allowed, plan_active" in now.stdout
    past = run("explain", "b-1", "--at", "2020-01-01", DATABASE_URL=dsn)
    assert "Bakery: denied, no_plan_or_trial" in past.stdout
    assert run("explain", "b-1", "--at", "3000-01-01", DATABASE_URL=dsn).returncode == 2
    assert run("explain", "nobody", DATABASE_URL=dsn).returncode == 1
    assert run("token", "create", "x", "--role", "king", DATABASE_URL=dsn).returncode == 2


@pytest.mark.parametrize(
    ("revision", "words"), [("0001", "callgate migrate"), ("9999", "newer than this code")]
)
async def test_serve_refuses_another_schema_and_names_the_remedy(
    dsn: str, tmp_path: Path, revision: str, words: str
) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE callgate.alembic_version SET version_num = $1", revision)
    await connection.close()
    done = run("serve", DATABASE_URL=dsn, CALLGATE_DATA_DIR=str(tmp_path), **SETTINGS)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("serve", CALLGATE_DATA_DIR=str(tmp_path), **{**SETTINGS, "CALLGATE_PORT": port})
    assert done.returncode == 1
    assert port in done.stderr
    assert "--port" in done.stderr


async def test_each_mode_refuses_the_database_of_the_other(dsn: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE callgate.installation SET mode = 'sandbox'")
    given = {"DATABASE_URL": dsn, "CALLGATE_DATA_DIR": str(tmp_path), **SETTINGS}
    for command in (("serve",), ("explain", "x"), ("reconcile", "--dry-run")):
        done = run(*command, **given)
        assert done.returncode == 1, command
        assert "This database belongs to the sandbox" in done.stderr
        assert "Traceback" not in done.stderr
    # Without a key of a real account the sandbox's database may be looked at.
    done = run("explain", "x", DATABASE_URL=dsn)
    assert "belongs to the sandbox" not in done.stderr
    await connection.execute("UPDATE callgate.installation SET mode = 'real'")
    await connection.close()
    done = run("serve", "--sandbox", **given)
    assert done.returncode == 1
    assert "This database belongs to a real Vapi account" in done.stderr
