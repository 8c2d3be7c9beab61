"""A denial that diverts: obeyed where an assistant-request is or was answered, elsewhere ordinary."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from policies import Effect
from service.access.directory import Registration
from service.access.first_message import new_call, remembered_call
from service.access.known_calls import decision_of, known_from, known_from_stored
from service.domain.calls import NewCall
from service.domain.decisions import CallTerms, Decision, SlotUse, TraceEntry
from service.domain.organizations import Organization
from service.domain.phone_numbers import NumberGate, PhoneNumber
from service.store.calls.decisions import dump_decision, find_decisions, load_decision
from service.store.calls.spool import DECODER, Entry
from service.store.pool import Pool
from tests.support.calls import record
from tests.support.messages import parse

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ACME = Organization(UUID(int=1), "Acme")
TERMS = CallTerms("Closed.", {"assistantId": "desk"}, 600)
DENIED = Decision(uuid4(), Effect.DENY, "closed", "hours", "fresh", (), NOW, terms=TERMS)


def first_call(kind: str, gate: NumberGate, call_type: str = "inboundPhoneCall") -> NewCall:
    """The row of a denied call whose first message is of a kind, on a number with a gate."""
    number = PhoneNumber(UUID(int=2), ACME.id, "vapi-number", gate=gate)
    call = {"id": "call", "type": call_type, "phoneNumberId": "vapi-number"}
    message = parse({"type": kind, "status": "in-progress", "call": call})
    return new_call(
        "call", message, Registration(ACME, number), DENIED, now=NOW, default_message="No."
    )


@pytest.mark.parametrize(
    ("kind", "gate", "call_type", "diverted"),
    [
        ("assistant-request", "request", "inboundPhoneCall", True),
        ("assistant-request", "event", "inboundPhoneCall", True),
        ("status-update", "request", "inboundPhoneCall", True),
        ("status-update", "event", "inboundPhoneCall", False),
        ("status-update", "request", "outboundPhoneCall", False),
    ],
)
def test_where_a_call_is_diverted(
    kind: str, gate: NumberGate, call_type: str, diverted: bool
) -> None:
    """A later message may be the first that a replica sees, while PostgreSQL is away: the call has been
    diverted by another one."""
    call = first_call(kind, gate, call_type)
    assert call.blocked
    assert call.decision.diverts == diverted
    assert (call.hangup_after_seconds is None) == diverted
    assert call.decision.terms.message == "Closed."


def test_a_diversion_survives_the_spool_and_memory() -> None:
    call = first_call("assistant-request", "request")
    entry = DECODER.decode(msgspec.json.encode(Entry(call=call)))
    assert entry.call == call
    known = known_from(call)
    assert known.diverted
    assert not known.hung_up
    assert decision_of(known, NOW) == replace(call.decision, trace=())
    later = parse({"type": "status-update", "status": "in-progress", "call": {"id": "call"}})
    again = remembered_call("call", later, None, known, NOW)
    assert again.decision.diverts
    assert again.hangup_after_seconds is None


async def test_a_diversion_is_read_back(pool: Pool) -> None:
    call = replace(first_call("assistant-request", "request"), phone_number_id=None)
    await pool.execute("INSERT INTO callgate.organizations (id, name) VALUES ($1, 'Acme')", ACME.id)
    await record(pool, call)
    stored: dict[str, Any] = await find_decisions(pool, ["call"])
    known = known_from_stored(stored["call"])
    assert known.terms == TERMS
    assert known.diverted
    assert not known.hung_up


def test_the_version_before_can_read_the_trace() -> None:
    """Replicas of both versions share a database during an upgrade."""
    limits = (SlotUse("calls", 5, "too_many_calls", 5),)
    trace = (
        TraceEntry("quota", "abstain", None, None, 0.1, "90 of 100 minutes", None, TERMS),
        TraceEntry("concurrency", "deny", "too_many_calls", limits=limits),
        TraceEntry("plan", "skipped"),
    )
    decision = replace(DENIED, trace=trace)
    stored: Any = dump_decision(decision)
    known = {"policy", "effect", "reason", "counted_as", "duration_ms", "note", "warning"}
    assert all(entry.keys() <= known for entry in stored["trace"])
    assert load_decision(stored) == decision
    assert "said" not in dump_decision(replace(DENIED, trace=trace[2:]))


def test_a_call_is_not_diverted_to_the_number_that_was_called() -> None:
    """It would ring in a circle: it is refused instead."""
    number = PhoneNumber(UUID(int=2), ACME.id, "vapi-number", "+15550100201", gate="request")
    call = {"id": "call", "type": "inboundPhoneCall", "phoneNumberId": "vapi-number"}
    message = parse({"type": "assistant-request", "call": call})
    for place, diverts in (("+15550100201", False), ("+15550100999", True)):
        terms = CallTerms(None, {"destination": {"type": "number", "number": place}}, None)
        decision = replace(DENIED, terms=terms)
        one = new_call(
            "call", message, Registration(ACME, number), decision, now=NOW, default_message="No."
        )
        assert one.decision.diverts == diverts
