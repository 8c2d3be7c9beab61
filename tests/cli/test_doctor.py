"""`callgate doctor` and `callgate secrets` as processes: what they print and how they end."""

from pathlib import Path

import orjson
import pytest

from service.sandbox.server import SandboxVapi
from service.store.roles import app_dsn
from tests.support.commands import clean_environment, run_beside
from tests.support.service import Replica


async def run(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """One command, with nothing of this machine's own settings."""
    done = await run_beside(clean_environment(**environment), *arguments)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def settings_of(callgate: Replica, dsn: str, data_dir: Path) -> dict[str, str]:
    settings = callgate.service.settings
    return {
        "VAPI_API_KEY": settings.vapi_api_key.get_secret_value(),
        "VAPI_API_URL": settings.vapi_api_url,
        "VAPI_WEBHOOK_SECRET": settings.webhook_secrets[0],
        "VAPI_WEBHOOK_URL": settings.webhook_url,
        "CALLGATE_ALLOW_INSECURE_WEBHOOK_URL": "1",
        "CALLGATE_DATA_DIR": str(data_dir),
        "DATABASE_URL": app_dsn(dsn),
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


async def examine(environment: dict[str, str]) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """How `callgate doctor --json` ends, and its findings by name; nothing else is printed."""
    code, out, _ = await run(environment, "doctor", "--json")
    found: dict[str, list[dict[str, str]]] = {}
    for finding in orjson.loads(out):
        assert finding["level"] == "ok" or finding["remedy"], finding
        found.setdefault(finding["name"], []).append(finding)
    return code, found


async def test_the_doctor_of_an_empty_database_examines_the_rest(
    callgate: Replica, empty_dsn: str, tmp_path: Path
) -> None:
    environment = settings_of(callgate, empty_dsn, tmp_path)
    code, found = await examine(environment)
    assert code == 1
    assert (found["schema"][0]["level"], found["schema"][0]["remedy"]) == (
        "failed",
        "callgate migrate",
    )
    assert {found[name][0]["level"] for name in ("settings", "database", "key", "webhook")} == {
        "ok"
    }
    code, out, err = await run(environment, "doctor")
    assert (code, err) == (1, "")
    assert "→ callgate migrate" in out


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nonsense-hid[den", "cannot be read"),
        ("postgresql://callgate:hid[den@db.invalid/callgate", "cannot be reached"),
        ("postgresql://callgate:hidden#den@db.invalid/callgate", "cannot be reached"),
        ("postgresql://callgate:hidden@db.invalid:port/callgate", "cannot be read"),
        ("postgresql://callgate:hidden@127.0.0.1:9/callgate", "cannot be reached"),
        ("postgresql://callgate:hidden@db.invalid/callgate", "cannot be reached"),
    ],
)
async def test_the_doctor_without_a_usable_database_examines_the_rest(
    callgate: Replica, tmp_path: Path, address: str, words: str
) -> None:
    code, found = await examine(settings_of(callgate, address, tmp_path))
    assert code == 1
    assert found["database"][0]["level"] == "failed"
    assert words in found["database"][0]["detail"]
    assert {found[name][0]["level"] for name in ("key", "webhook")} == {"ok"}
    assert "hid" not in repr(found)


async def test_the_doctor_of_a_database_that_does_not_exist(
    callgate: Replica, dsn: str, tmp_path: Path
) -> None:
    name = dsn.partition("?")[0].rpartition("/")[2]
    code, found = await examine(settings_of(callgate, dsn.replace(name, "nowhere"), tmp_path))
    assert code == 1
    assert '"nowhere" does not exist' in found["database"][0]["detail"]
    assert "callgate migrate" in found["database"][0]["remedy"]


async def test_the_doctor_makes_no_database(callgate: Replica, tmp_path: Path) -> None:
    environment = settings_of(callgate, "", tmp_path / "nothing")
    code, found = await examine(environment)
    assert code == 1
    assert "holds no database yet" in found["database"][0]["detail"]
    assert found["key"][0]["level"] == "ok"
    assert not (tmp_path / "nothing").exists()


async def test_the_doctor_names_settings_that_cannot_be_read_and_examines_the_rest(
    callgate: Replica, dsn: str, tmp_path: Path
) -> None:
    broken = {
        "CALLGATE_PORT": "eighty",
        "CALLGATE_RECONCILE_INTERVAL": "often",
        "CALLGATE_RECONCILE_INTERVALL": "5",
        "VAPI_WEBHOOK_AUTH": "none",
    }
    code, found = await examine({**settings_of(callgate, dsn, tmp_path), **broken})
    assert code == 1
    details = " ".join(finding["detail"] for finding in found["settings"])
    assert all(name in details for name in broken)
    assert len(found["settings"]) == len(broken)
    assert {found[name][0]["level"] for name in ("database", "schema", "key", "numbers")} == {"ok"}
    assert {"webhook", "reconcile"}.isdisjoint(found)
    assert found["left_out"][0]["detail"].endswith("webhook, reconcile.")


async def test_secrets_shows_fingerprints_and_makes_new_ones(
    callgate: Replica, dsn: str, tmp_path: Path
) -> None:
    environment = settings_of(callgate, dsn, tmp_path)
    code, out, _ = await run(environment, "secrets")
    assert code == 0
    assert callgate.service.settings.webhook_secrets[0] not in out
    assert "Every organization's own secret derives from it." in out
    _, first, steps = await run(environment, "secrets", "--new")
    assert len(first.strip()) > 30
    assert "VAPI_WEBHOOK_SECRET=<old>,<new>" in steps
    assert len(steps.splitlines()) == 3
    _, second, _ = await run({}, "secrets", "--new")
    assert second != first


async def test_secrets_without_a_secret_is_no_finished_change(dsn: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": dsn, "CALLGATE_DATA_DIR": str(tmp_path)}
    code, out, err = await run(environment, "secrets")
    assert (code, out) == (1, "")
    assert "VAPI_WEBHOOK_SECRET is missing" in err
