"""Observers that do their worst: none delays or changes anything, and all that is lost is counted."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from policies import CallDecision, CallEvent, Effect
from policies.host.registration import RegisteredObserver
from policies.testing import NOW, call_event
from service.access.known_calls import KnownCalls, known_from
from service.access.observers.call_observer import CallObserver
from service.access.observers.call_observers import CallObservers
from service.access.observers.conditions import list_ailing_observers
from service.domain.calls import CallEnd, NewCall
from service.domain.decisions import CallTerms, Decision
from tests.support.service import eventually


def observer(observe: Callable[[CallEvent], object], most: int = 1000) -> CallObserver:
    return CallObserver(RegisteredObserver("odd", observe, "stranger", "1"), most)


def new_call(call_id: str = "one") -> NewCall:
    decision = Decision(uuid4(), Effect.ALLOW, "plan_active", "plan", "fresh", (), NOW)
    return NewCall(call_id, UUID(int=1), None, None, "webCall", "event", decision, NOW)


async def told(observers: CallObservers, calls: int = 1) -> float:
    """Tell so many decisions; how long that took, in seconds."""
    observers.start()
    began = time.perf_counter()
    for place in range(calls):
        observers.tell_decided(new_call(str(place)))
    return time.perf_counter() - began


def hang(_event: CallEvent) -> None:
    time.sleep(600)


def raise_error(_event: CallEvent) -> None:
    raise ValueError("a secret")


def leave(_event: CallEvent) -> None:
    sys.exit(1)


def interrupt(_event: CallEvent) -> None:
    raise KeyboardInterrupt


class NamelessError(BaseException):
    """Raises as soon as it is described."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


def raise_nameless(_event: CallEvent) -> None:
    raise NamelessError


async def answer_later(_event: CallEvent) -> None:
    await asyncio.sleep(0)


def in_a_list(event: CallEvent) -> list[Any]:
    """As pluggy returns what a plugin's function returned."""
    return [answer_later(event)]


@pytest.mark.parametrize(
    ("observe", "failure"),
    [
        (raise_error, "raised:ValueError"),
        (leave, "raised:SystemExit"),
        (interrupt, "raised:KeyboardInterrupt"),
        (raise_nameless, "raised:NamelessError"),
        (in_a_list, "raised:TypeError"),
    ],
)
async def test_failures_are_contained_and_counted(
    observe: Callable[[CallEvent], object], failure: str
) -> None:
    bad, seen = observer(observe), list[CallEvent]()
    observers = CallObservers([bad, observer(seen.append)])
    assert await told(observers, 20) < 0.5

    async def done() -> bool:
        return bad.health.failed == 20 and len(seen) == 20

    await eventually(done)
    health = bad.health
    assert (health.observed, health.dropped, health.last_failure) == (0, 0, failure)
    assert health.busy_seconds == 0.0
    (found,) = list_ailing_observers(observers.describe())
    assert found.kind == "observer_failing"
    assert failure in found.text
    assert "a secret" not in found.text
    await observers.stop()
    assert not bad.alive


async def test_one_that_hangs_loses_its_own_events_only() -> None:
    hanging, seen = observer(hang, 10), list[CallEvent]()
    observers = CallObservers([hanging, observer(seen.append)])
    seconds = await told(observers, 500)
    assert seconds < 0.5, "the caller's answer never waits"

    async def done() -> bool:
        return len(seen) == 500 and hanging.health.busy_seconds > 0.05

    await eventually(done)
    health = hanging.health
    assert health.waiting == 10
    assert health.dropped == 500 - 10 - 1
    found = list_ailing_observers(observers.describe(), stuck_seconds=0.05)
    assert [one.kind for one in found] == ["observer_stuck"]
    began = time.monotonic()
    await observers.stop(0.2)
    assert time.monotonic() - began < 2, "a thread that hangs is left behind"
    assert hanging.thread is not None
    assert hanging.thread.daemon


async def test_one_that_is_slow_gets_its_events_in_order_and_loses_the_rest() -> None:
    seen = list[str]()

    def slow(event: CallEvent) -> None:
        time.sleep(0.01)
        seen.append(event.vapi_call_id)

    one = observer(slow, 5)
    observers = CallObservers([one])
    assert await told(observers, 50) < 0.2
    (found,) = list_ailing_observers(observers.describe())
    assert found.kind == "observer_behind"
    await observers.stop(5)
    assert seen == sorted(seen, key=int), "what waits when the service stops is told"
    assert len(seen) + one.health.dropped == 50


async def test_a_change_of_an_event_reaches_no_other_observer() -> None:
    def mutate(event: CallEvent) -> None:
        object.__setattr__(event, "vapi_call_id", "forged")
        object.__setattr__(event.decision, "allowed", False)
        object.__setattr__(event.organization_id, "int", 7)

    seen, call = list[CallEvent](), new_call()
    known = KnownCalls()
    known.put(call.vapi_call_id, known_from(call))
    mutating = observer(mutate)
    observers = CallObservers([mutating, observer(seen.append)], known=known)
    observers.start()
    observers.tell_decided(call)

    async def done() -> bool:
        return mutating.health.observed + mutating.health.failed == 1 and len(seen) == 1

    await eventually(done)
    assert mutating.health.observed == 1
    assert seen[0].vapi_call_id == "one"
    assert seen[0].organization_id == UUID(int=1) == call.organization_id
    assert seen[0].decision is not None
    assert seen[0].decision.allowed
    assert known.calls["one"].organization_id == UUID(int=1)
    await observers.stop()


async def test_a_diversion_is_told() -> None:
    seen, denied = list[CallEvent](), new_call()
    terms = CallTerms(divert_to={"assistantId": "desk"})
    decision = replace(denied.decision, effect=Effect.DENY, reason="closed", terms=terms)
    call = replace(denied, decision=decision)
    known = KnownCalls()
    known.put(call.vapi_call_id, known_from(call))
    observers = CallObservers([observer(seen.append)], known=known)
    observers.start()
    observers.tell_decided(call)
    observers.tell_ended(CallEnd("one", NOW, "customer-ended-call"), UUID(int=1))
    await observers.stop()
    told = [event.decision for event in seen]
    assert told == [CallDecision(decision.id, False, "closed", "plan", diverted=True)] * 2


async def test_an_end_is_told_again_only_with_better_figures() -> None:
    seen = list[CallEvent]()
    observers = CallObservers([observer(seen.append)])
    observers.start()
    status = CallEnd("one", NOW, "customer-ended-call")
    report = CallEnd("one", NOW, "customer-ended-call", 61.5, proof="vapi")
    absurd = CallEnd("two", NOW, "customer-ended-call", 10.0**9)
    for end in (status, status, report, status, report, absurd):
        observers.tell_ended(end, UUID(int=1))
    await observers.stop()
    figures = [(event.vapi_call_id, event.duration_seconds) for event in seen]
    assert figures == [("one", None), ("one", 61.5), ("two", None)]


async def test_an_end_keeps_the_figures_that_were_told_before() -> None:
    seen = list[CallEvent]()
    observers = CallObservers([observer(seen.append)])
    observers.start()
    report = CallEnd("one", NOW, None, 61.5, Decimal("0.1"), proof="vapi")
    status = CallEnd("one", NOW, "customer-ended-call")
    for end in (report, status, report, status):
        observers.tell_ended(end, UUID(int=1))
    await observers.stop()
    figures = [(event.ended_reason, event.duration_seconds, event.cost) for event in seen]
    cost = Decimal("0.1")
    assert figures == [(None, 61.5, cost), ("customer-ended-call", 61.5, cost)]


def test_a_service_without_a_free_thread_drops_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    one = observer(hang, 1)
    one.start()
    one.offer(call_event())
    one.offer(call_event())
    assert (one.alive, one.health.dropped) == (False, 1)
