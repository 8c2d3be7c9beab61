"""A problem has the same words in readiness, overview, doctor, metrics and on every page."""

import re
from uuid import uuid4

import pytest

from service.access.policies.plugins import PluginProblem
from service.domain.conditions import CONDITIONS, Condition, condition
from service.domain.fingerprint import fingerprint
from service.sandbox.server import SandboxVapi
from service.serve.readiness import SEE_PANEL
from service.store.reconcile import state
from tests.support.calls import new_call, record
from tests.support.service import Replica, eventually
from tests.support.visiting import Visitor, visiting

TRIAL = {"ends_at": "2100-01-01T00:00:00Z"}


async def provoke(callgate: Replica, vapi: SandboxVapi) -> None:
    """Real parts in real trouble: a refused key, a pause, a held sweep, a missing number, …"""
    service, pool = callgate.service, callgate.service.pool
    owner = await callgate.add_organization("Bakery")
    gone = vapi.add_number(provider="vapi")["id"]
    number = await callgate.add_number(owner, gone, label="Old line")
    vapi.numbers.remove(gone)
    await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    await callgate.api("PUT", f"/organizations/{owner}/trial", TRIAL)
    await pool.execute("UPDATE callgate.trials SET ends_at = now() + interval '2 days'")
    await service.background.stop("reconcile", "sweeps", "hangup_worker")
    await callgate.api("PUT", "/reconcile/pause", {"reason": "migration {x}"})
    await state.set_held(pool, {"to_repair": 40, "plan": "ab12"})
    key = service.settings.vapi_api_key.get_secret_value()
    await state.refuse_key(pool, fingerprint(key), 3600)
    await record(pool, new_call("a", vapi_phone_number_id="pn-stranger", gate="request"))
    await record(pool, new_call("b", organization_id=uuid4(), allowed=False))
    await pool.execute("UPDATE callgate.calls SET hangup_state = 'failed' WHERE vapi_call_id = 'b'")
    broken = PluginProblem("crm", "1.0", "no module named crm_policies")
    object.__setattr__(service.access.policies.loaded, "problems", (broken,))


EXPECTED = {
    "key_refused",
    "sweep_held",
    "plugin_not_loaded",
    "numbers_missing",
    "background_loops_down",
    "hangups_failed",
    "repairs_paused",
    "unknown_numbers",
    "trials_ending",
}


async def readiness(callgate: Replica) -> dict[str, dict[str, str]]:
    """The checks of `/readyz` by the kind of their condition."""
    async with callgate.session.get(f"{callgate.url}/readyz") as response:
        body = await response.json()
        assert response.status == 200
    assert body["status"] == "degraded"
    assert {check["level"] for check in body["checks"]} == {"ok", "degraded"}
    assert [check["name"] for check in body["checks"]][:2] == ["directory", "database"]
    return {check["kind"]: check for check in body["checks"] if "kind" in check}


async def gauge(callgate: Replica) -> dict[str, float]:
    """`callgate_condition` by kind."""
    async with callgate.session.get(f"{callgate.url}/metrics") as response:
        text = await response.text()
    found = re.findall(r'callgate_condition{kind="(\w+)",severity="(\w+)"} (\S+)', text)
    assert all(CONDITIONS[kind].severity == severity for kind, severity, _ in found)
    return {kind: float(value) for kind, _, value in found}


async def banners(visitor: Visitor, path: str) -> str:
    """The banners of a page as a person reads them."""
    shown = await visitor.get(path)
    parts = re.findall(r'<ul class="banners".*?</ul>', shown.body, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", part) for part in parts)


async def test_a_problem_has_the_same_words_in_every_view(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    await provoke(callgate, vapi)
    watch = callgate.service.use_cases.conditions
    found = {one.kind: one for one in await watch.read()}
    assert set(found) >= EXPECTED
    await check_readiness(callgate, found)
    values = await gauge(callgate)
    assert {kind for kind, value in values.items() if value == 1.0} == set(found)
    assert values["database_away"] == 0.0
    async with visiting(callgate, "viewer") as vic:
        overview = await vic.get("")
        for one in found.values():
            assert one.text in overview.text, one
            assert one.remedy in overview.text
            assert f"/admin/{one.link}" in overview.links
        assert await banners(vic, "") == ""
        shown = await banners(vic, "/calls")
        first = [one for one in watch.read_last() if one.concerns_all]
        assert all(one.text in shown for one in first[:3])
        assert first[3].text not in shown
        assert f"{len(first) - 3} more on the overview" in shown
        await check_doctor(vic, found)


async def check_readiness(callgate: Replica, found: dict[str, Condition]) -> None:
    checks = await readiness(callgate)
    assert set(checks) == {kind for kind in found if CONDITIONS[kind].check}
    for kind, check in checks.items():
        # It needs no authentication: the words of the kind, and nothing that was filled in.
        assert (check["name"], check["detail"]) == (
            CONDITIONS[kind].check,
            CONDITIONS[kind].meaning,
        )
        filled = "{" in CONDITIONS[kind].remedy
        assert check["remedy"] == (SEE_PANEL if filled else found[kind].remedy)


async def check_doctor(visitor: Visitor, found: dict[str, Condition]) -> None:
    """The doctor knows nothing of this process, and everything that is stored."""
    examined = await visitor.post("/health")
    for kind in (
        "key_refused",
        "sweep_held",
        "repairs_paused",
        "numbers_missing",
        "hangups_failed",
    ):
        assert found[kind].text in examined.text
        assert found[kind].remedy in examined.text


async def test_without_a_session_no_page_shows_conditions(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    await provoke(callgate, vapi)
    await callgate.service.use_cases.conditions.read()
    async with callgate.session.get(f"{callgate.url}/admin/sign-in") as response:
        assert "VAPI_API_KEY" not in await response.text()


async def test_conditions_end_with_their_cause(callgate: Replica) -> None:
    watch = callgate.service.use_cases.conditions
    await callgate.api("PUT", "/reconcile/pause", {"reason": "migration"})
    assert "repairs_paused" in {one.kind for one in await watch.read()}
    assert (await gauge(callgate))["repairs_paused"] == 1.0
    await callgate.api("DELETE", "/reconcile/pause")
    assert await watch.read() == []

    async def cleared() -> bool:
        """An exposition is kept for a second."""
        return (await gauge(callgate))["repairs_paused"] == 0.0

    await eventually(cleared)


async def test_the_loop_finds_conditions_by_itself(callgate: Replica) -> None:
    watch = callgate.service.use_cases.conditions
    await callgate.api("PUT", "/reconcile/pause", {"reason": "migration"})

    async def noticed() -> bool:
        return any(one.kind == "repairs_paused" for one in watch.read_last())

    await eventually(noticed, 15)


async def test_a_database_that_is_away_keeps_the_stored_conditions(
    callgate: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = callgate.service.use_cases.conditions
    await callgate.api("PUT", "/reconcile/pause", {"reason": "migration"})
    await watch.read()

    async def refuse(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(watch.stored, "pool", type("Away", (), {"fetchval": refuse})())
    found = await watch.check()
    assert [one.kind for one in found] == ["database_away", "repairs_paused"]
    assert found[0] == condition("database_away")
