"""`callgate admin …`, and what `callgate serve` says before there is an admin."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import orjson

from service.admin.people.people import People
from service.admin.people.sessions import Sessions
from service.admin.people.sign_in import SignIn
from service.store.pool import Pool
from tests.support.commands import clean_environment, run_command
from tests.support.people import CLIENT, MAKER, PASSWORD, sign_in
from tests.support.service import unused_port


def run(dsn: str, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return run_command(clean_environment(DATABASE_URL=dsn), "admin", *arguments, typed=typed)


async def test_admins_from_the_command_line(dsn: str, pool: Pool) -> None:
    made = run(dsn, "create", "Ada", "--role", "admin", "--password-stdin", typed=PASSWORD + "\n")
    assert (made.returncode, made.stdout) == (0, "Ada may sign in with the role admin.\n")
    token = await sign_in(pool)
    assert run(dsn, "create", "Bob", "--password-stdin", typed="short").returncode == 1
    assert run(dsn, "create", "Bob", typed=PASSWORD).returncode == 2
    listed = orjson.loads(run(dsn, "list", "--json").stdout)
    assert [(one["name"], one["role"], one["has_password"]) for one in listed] == [
        ("Ada", "admin", True)
    ]
    last = run(dsn, "disable", "Ada")
    assert (last.returncode, "last admin with the role admin" in last.stderr) == (1, True)
    assert CLIENT.address in run(dsn, "sessions", "ada").stdout
    assert run(dsn, "sessions", "Ada", "--revoke-all").stdout == "1 sessions ended.\n"
    assert await Sessions(pool).find(token) is None


async def test_roles_passwords_and_letting_nobody_in(dsn: str, pool: Pool) -> None:
    people = People(pool, "")
    for name in ("Ada", "Bob"):
        await people.create(MAKER, name=name, role="admin", password=PASSWORD)
    assert run(dsn, "role", "bob", "support").returncode == 0
    assert run(dsn, "role", "bob", "king").returncode == 2
    assert run(dsn, "disable", "Bob").returncode == 0
    bob = await people.find_named(MAKER, "Bob")
    assert (bob.role, bob.disabled_at is not None) == ("support", True)
    assert run(dsn, "enable", "Bob").returncode == 0
    changed = run(dsn, "password", "Bob", "--password-stdin", typed="another password\n")
    assert changed.returncode == 0
    assert await SignIn(pool).sign_in("Bob", "another password", CLIENT)


def serve_until(words: str, *arguments: str, **given: str) -> list[str]:
    """What `callgate serve` prints until a line begins with `words`; then it is ended."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "service", "serve", *arguments),
            *("--port", str(unused_port())),
        ],
        env=clean_environment(**given),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith(words):
                break
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    return lines


async def test_serving_says_how_to_make_the_first_admin(
    dsn: str, pool: Pool, tmp_path: Path
) -> None:
    given = {
        "VAPI_API_KEY": "private-key",
        "VAPI_API_URL": "http://127.0.0.1:9",
        "VAPI_WEBHOOK_SECRET": "the-webhook-secret-of-the-tests",
        "VAPI_WEBHOOK_URL": "https://calls.agency.net/api/vapi/webhook",
        "DATABASE_URL": dsn,
        "CALLGATE_DATA_DIR": str(tmp_path),
        "CALLGATE_DRAIN_SECONDS": "0",
    }
    lines = serve_until("Webhook:", CALLGATE_ADMIN_TOKEN="the-admin-token-of-the-tests", **given)
    (line,) = [line for line in lines if line.startswith("Set up:")]
    assert line.endswith("/admin/setup (with CALLGATE_ADMIN_TOKEN)")
    lines = serve_until("Webhook:", **given)
    (line,) = [line for line in lines if line.startswith("Set up:")]
    found = re.search(r"/admin/setup\?code=(\S{20,})$", line)
    assert found is not None
    await People(pool, "").create_first(name="Ada", password=PASSWORD, code=found[1], client=CLIENT)
    assert not [line for line in serve_until("Webhook:", **given) if line.startswith("Set up:")]


async def test_the_sandbox_prints_the_same_sign_in_each_time(
    dsn: str, pool: Pool, tmp_path: Path
) -> None:
    given = {"DATABASE_URL": dsn, "CALLGATE_DATA_DIR": str(tmp_path)}
    printed = {serve_until("Sign in:", "--sandbox", **given)[-1] for _ in range(2)}
    (line,) = printed
    found = re.fullmatch(r"Sign in: +(\w+), password and API token (cg_\S+)", line)
    assert found is not None
    assert await SignIn(pool).sign_in(found[1], found[2], CLIENT)
    # A password of the admin's own is kept.
    people = People(pool, "")
    admin = await people.find_named(MAKER, found[1])
    await people.set_password(MAKER, admin.id, PASSWORD)
    lines = serve_until("Sign in:", "--sandbox", **given)
    assert "with your own name or password" in lines[-1]
    assert found[2] in lines[-1]
    assert await SignIn(pool).sign_in(found[1], PASSWORD, CLIENT)
