"""Plugins that observe calls, in the whole service: what they learn, and what they cannot do."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from policies import CallEvent
from policies.host.registration import HOST
from service.access.policies.plugins import PolicyChoice, load_policies
from service.sandbox.server import SandboxVapi
from tests.scenarios.test_event_gate import closed, registered
from tests.support.documents import AUTHORS
from tests.support.plugins import observer_module, policy_module, write_plugin
from tests.support.service import Start, eventually
from tests.support.visiting import visiting

SEEN = "seen = []"
NOTE = "seen.append(event)"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs plugins into a folder on the path of this process."""
    folder = tmp_path / "plugins"
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)

    def write(name: str, module: str) -> None:
        write_plugin(folder, name, module)

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("stranger"):
            del sys.modules[name]


def module(name: str) -> ModuleType:
    return sys.modules[name]


def events_of(call_id: str) -> list[CallEvent]:
    return [event for event in module("stranger_log").seen if event.vapi_call_id == call_id]


async def wait_for_events(call_id: str, *kinds: str) -> list[CallEvent]:
    async def all_told() -> bool:
        return set(kinds) <= {event.kind for event in events_of(call_id)}

    await eventually(all_told)
    return events_of(call_id)


def test_a_plugin_may_only_observe(install: Callable[..., None]) -> None:
    install("stranger_log", observer_module(NOTE, SEEN))
    install("stranger_both", observer_module("pass") + policy_module("both", "return abstain()"))
    install("stranger_async", observer_module("pass").replace("def on_", "async def on_"))
    install("stranger_neither", "x = 1")
    loaded = load_policies()
    assert [one.name for one in loaded.observers] == ["stranger_both", "stranger_log"]
    third_party = [one.name for one in loaded.policies if one.plugin != HOST]
    assert third_party == ["both"]
    refused, neither = loaded.problems
    assert "on_call_event must be a plain function" in refused.message
    assert "no on_call_event" in neither.message
    off = load_policies(PolicyChoice(off=("stranger_log",), required=("stranger_both", "plan")))
    assert [one.name for one in off.observers] == ["stranger_both"]
    assert off.missing == ()
    assert load_policies(PolicyChoice(third_party=False)).observers == ()


async def test_observers_see_a_call_from_its_decision_to_its_end(
    install: Callable[..., None], start_replica: Start, vapi: SandboxVapi
) -> None:
    install("stranger_log", observer_module(NOTE, SEEN))
    install("stranger_hang", observer_module("time.sleep(600)"))
    install("stranger_exit", observer_module("raise SystemExit(1)"))
    callgate = await start_replica()
    paying, number_id = await registered(callgate, vapi, paying=True, when_access_ends="hang_up")
    _, blocked_number = await registered(callgate, vapi, paying=False)

    call = vapi.place_call(number_id, duration=1)
    await call.settled()
    decided, *_, ended = await wait_for_events(call.id, "decided", "ended")
    assert (decided.kind, str(decided.organization_id)) == ("decided", paying)
    assert decided.organization_name == "Bakery"
    assert decided.decision is not None
    stored = await closed(callgate, call.id)
    assert str(decided.decision.id) == stored["decision"]["id"]
    assert (decided.decision.allowed, decided.decision.reason) == (True, "plan_active")

    async def reported() -> CallEvent | None:
        last = events_of(call.id)[-1]
        return last if last.duration_seconds is not None else None

    ended = await eventually(reported)
    assert (ended.kind, ended.ended_reason) == ("ended", stored["ended_reason"])
    assert ended.decision == decided.decision

    blocked = vapi.place_call(blocked_number, duration=600)
    await blocked.settled()
    first, *_, last = await wait_for_events(blocked.id, "decided", "hung_up")
    assert first.decision is not None
    assert (first.decision.allowed, first.decision.reason) == (False, "no_plan_or_trial")
    assert (last.kind, last.decision) == ("hung_up", first.decision)

    message = vapi.live_call(number_id, reports_end=True)
    assert (await callgate.post(message)).status == 200
    await callgate.api("DELETE", f"/organizations/{paying}/plan")
    cut = await wait_for_events(message["message"]["call"]["id"], "decided", "cut", "hung_up")
    assert [event.cut_reason for event in cut if event.kind == "cut"] == ["no_plan_or_trial"]
    await check_reports(callgate)


async def check_reports(callgate: Any) -> None:
    """Metrics and panel show what the hostile ones did."""
    async with callgate.session.get(f"{callgate.url}/metrics") as response:
        text = await response.text()
    assert re.search(
        r'observer_events_total\{observer="stranger_exit",outcome="failed"\} [1-9]', text
    )
    assert re.search(r'observer_events_total\{observer="stranger_log",outcome="failed"\} 0', text)
    assert re.search(r'observer_busy_seconds\{observer="stranger_hang"\} [0-9]*\.[0-9]*[1-9]', text)
    async with visiting(callgate, "viewer") as vic:
        shown = await vic.get("/policies")
    assert "stranger_hang" in shown.text
    assert "raised:SystemExit" in shown.text


async def test_hostile_observers_cost_an_answer_nothing(
    install: Callable[..., None], start_replica: Start, vapi: SandboxVapi
) -> None:
    """The service stops in time, too, while one hangs."""
    for place in range(5):
        install(f"stranger_hang_{place}", observer_module("time.sleep(600)"))
    callgate = await start_replica()
    _, number_id = await registered(callgate, vapi, paying=True)
    took = []
    for _ in range(30):
        message = vapi.live_call(number_id)
        began = time.perf_counter()
        assert (await callgate.post(message)).status == 200
        took.append(time.perf_counter() - began)
    assert sorted(took)[15] < 0.25
    began = time.monotonic()
    await callgate.service.access.observers.stop()
    assert time.monotonic() - began < 3


async def test_the_example_of_the_page_works(
    install: Callable[..., None],
    start_replica: Start,
    vapi: SandboxVapi,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (example,) = re.findall(
        r"```python\n((?:(?!```).)*def on_call_event.*?)```", AUTHORS.read_text(), re.DOTALL
    )
    install("stranger_example", example)
    callgate = await start_replica()
    _, number_id = await registered(callgate, vapi, paying=True)
    with caplog.at_level("INFO", "call_log"):
        await vapi.place_call(number_id, duration=1).settled()

        async def logged() -> list[str]:
            return [
                one.getMessage()
                for one in caplog.records
                if one.name == "call_log" and "Bakery" in one.getMessage()
            ]

        assert await eventually(logged)
