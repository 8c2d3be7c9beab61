"""`callgate policies set` and `callgate policies shadow`, as an operator uses them."""

import json
import subprocess

import asyncpg
import pytest

from tests.cli.test_serve import run

ADD = "INSERT INTO callgate.organizations (name, external_id) VALUES ('Bakery', 'b-1') RETURNING id"
VERDICT = """
INSERT INTO callgate.shadow_verdicts (policy, vapi_call_id, organization_id, effect, reason, decided,
    would, at)
VALUES ('plan', 'call-1', $1, 'deny', 'few_minutes', 'allow', 'deny', now())
"""


def ask(dsn: str, *words: str) -> subprocess.CompletedProcess[str]:
    return run("policies", *words, DATABASE_URL=dsn)


async def test_a_policy_is_shadowed_reported_and_enforced(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    owner = await connection.fetchval(ADD)
    shadow = ask(dsn, "set", "plan", "--mode", "shadow", "--share", "0.5", "--order", "7")
    assert (shadow.returncode, shadow.stderr) == (0, "")
    assert shadow.stdout == "plan: shadow, share 0.5, order 7\n"
    await connection.execute(VERDICT, owner)
    told = ask(dsn, "shadow", "plan")
    assert "would have blocked 1 call of 1 organization and" in told.stdout
    assert "call-1  allowed, plan: few_minutes" in told.stdout
    assert json.loads(ask(dsn, "shadow", "plan", "--json").stdout)["asked"] == 1
    enforced = ask(dsn, "set", "plan", "--reset", "--json")
    assert json.loads(enforced.stdout)["mode"] == "enforce"
    assert await connection.fetchval("SELECT count(*) FROM callgate.policy_choices") == 0
    own = ask(dsn, "set", "plan", "--organization", "b-1", "--mode", "off")
    assert own.stdout == "plan: off\n"
    stored = await connection.fetch("SELECT name, mode FROM callgate.organization_policies")
    assert [tuple(row) for row in stored] == [("plan", "off")]
    same = ask(dsn, "set", "plan", "--organization", "b-1", "--settings", "null")
    assert (same.stdout, same.stderr) == ("plan: off\n", ""), "null is no settings"
    await connection.close()


async def test_the_list_has_modes_and_orders_in_force(dsn: str) -> None:
    ask(dsn, "set", "plan", "--mode", "shadow", "--share", "0.5", "--order", "7")
    listed = ask(dsn, "--json")
    assert (listed.returncode, listed.stderr) == (0, "")
    found = {one["name"]: one for one in json.loads(listed.stdout)}
    assert list(found)[:2] == ["admin_override", "plan"]
    assert found["plan"] | {"order": 7, "mode": "shadow", "share": 0.5} == found["plan"]
    assert found["trial"]["mode"] == "enforce"
    assert "plan shadow 50%" in " ".join(ask(dsn).stdout.split())


def test_without_a_database_the_list_is_as_declared() -> None:
    listed = ask("postgresql://nobody@127.0.0.1:1/none", "--json")
    assert listed.returncode == 0
    assert {one["mode"] for one in json.loads(listed.stdout)} == {None}
    assert listed.stderr.startswith("The database does not answer")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan",), "give at least one choice"),
        (("plan", "--mode", "on"), "mode: "),
        (("plan", "--timeout", "3"), "timeout_seconds: "),
        (("plan", "--settings", "{}"), "settings: choose this with --organization only"),
        (("plan", "--organization", "b-1", "--order", "1"), "order: choose this for all"),
        (("gone", "--mode", "off"), "There is no such policy."),
        (("admin_override", "--mode", "off"), "always enforced"),
        (("plan", "--organization", "nobody", "--mode", "off"), "no such organization"),
    ],
)
async def test_a_wrong_choice_is_refused(dsn: str, words: tuple[str, ...], said: str) -> None:
    done = ask(dsn, "set", *words)
    assert done.returncode in (1, 2)
    assert said in " ".join(done.stderr.replace("│", " ").split()), done.stderr
