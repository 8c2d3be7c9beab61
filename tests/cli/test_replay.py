"""`callgate policies replay` as an operator uses it, over calls that a service recorded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.plugins import policy_module
from tests.support.service import Replica

ROOT = Path(__file__).parents[2]
PLAN = {"code": "pro", "status": "active"}
STRICT = policy_module(
    "strict",
    "return deny('too_many_seats') if request.organization.attributes.get('seats', 0) > 3 "
    "else abstain()",
)


def replay(dsn: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a folder, on this database."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DATABASE_URL": dsn}
    environment["CALLGATE_DATA_DIR"] = str(folder / "data")
    return subprocess.run(
        [sys.executable, "-m", "service", "policies", "replay", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


async def test_a_policy_is_replayed_before_it_is_installed(
    callgate: Replica, vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    organization_id = await callgate.add_organization(
        "Bakery", external_id="b-1", attributes={"seats": 5}
    )
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    number_id = str(vapi.add_number(provider="vapi")["id"])
    await callgate.add_number(organization_id, number_id, answer_with={"assistantId": "a-1"})
    for _ in range(3):
        assert (
            await callgate.post(vapi.live_call(number_id, kind="assistant-request"))
        ).status == 200
    (tmp_path / "strict_policy.py").write_text(STRICT)
    before = (await callgate.api("GET", "/audit")).json

    same = replay(dsn, tmp_path)
    assert (same.returncode, same.stderr) == (0, "")
    assert "0 of 3 calls" in same.stdout

    changed = replay(dsn, tmp_path, "--policy", "strict_policy", "--organization", "b-1")
    assert changed.returncode == 2, changed.stderr
    assert "3 of 3 calls" in changed.stdout
    assert "3 denied instead of allowed" in changed.stdout
    assert "Bakery" in changed.stdout
    assert "denied, too_many_seats (strict)" in changed.stdout

    (tmp_path / "chain.json").write_text(
        json.dumps({"policies": ["strict_policy"], "choices": {"strict": {"mode": "shadow"}}})
    )
    assert replay(dsn, tmp_path, "--file", "chain.json").returncode == 0
    await callgate.service.core.pool.execute(
        "UPDATE callgate.entitlement_history SET at = at - interval '1 hour'"
    )
    found = json.loads(replay(dsn, tmp_path, "--mode", "plan=off", "--json").stdout)
    assert (found["calls"], found["different"], found["would_be_denied"]) == (3, 3, 3)
    (difference,) = found["differences"]
    assert difference["name"] == "Bakery"
    assert difference["before"] == {"effect": "allow", "reason": "plan_active", "policy": "plan"}
    assert difference["after"]["reason"] == "no_plan_or_trial"
    assert (await callgate.api("GET", "/audit")).json == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--policy", "no_such_module"), "no_such_module"),
        (("--mode", "nobody=off"), "There is no policy 'nobody'"),
        (("--file", "none.yaml"), "cannot be read"),
        (("--mode", "plan"), "write NAME=enforce"),
    ],
)
def test_what_cannot_be_replayed_is_a_failure(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    failed = replay("", tmp_path, *words)
    assert failed.returncode == 1
    assert said in failed.stderr
