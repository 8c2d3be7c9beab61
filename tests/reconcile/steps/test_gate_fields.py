"""Gates on a number: one pass reaches the desired state, foreign hooks stay, and a hook of
ours never stays on a number that has access."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.phone_numbers import NumberGate
from service.domain.reconcile import KeptFields
from service.domain.standing import AccessStanding
from service.reconcile.steps.gate_fields import (
    DesiredGateFields,
    desired_gates,
    gate_changes,
    is_rewording,
    only_unblocking,
    released_gates,
)
from service.vapi.bindings import BINDINGS
from service.vapi.hooks import (
    destination,
    ending_hook,
    ringing_hook,
    spoken_text,
    transfer_number,
)
from tests.support.vapi_spec import spec_errors

TEXTS = st.sampled_from(["Not in service.", "Bitte rufen Sie später an.", "No plan."])
NUMBERS = st.sampled_from(["+15550100001", "+15550100002"])
OURS = {"Not in service.", "Bitte rufen Sie später an.", "No plan."}

FOREIGN_HOOKS = st.sampled_from(
    [
        {"on": "call.ringing", "do": [{"type": "say", "exact": "Welcome to the bakery!"}]},
        {"on": "call.ringing", "do": [{"type": "transfer", "destination": {"type": "sip"}}]},
        {"on": "call.ending", "do": {"type": "transfer", "destination": {"type": "number"}}},
        {"on": "call.timeElapsed", "options": {"seconds": 30}, "do": []},
        {"on": "something.new"},
        "no hook at all",
        None,
    ]
)
HOOKS = (
    st.lists(FOREIGN_HOOKS | TEXTS.map(ringing_hook) | NUMBERS.map(ending_hook), max_size=5)
    | st.none()
)
BOUND = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(["a-1", "a-2"]) | st.none() for name in BINDINGS}
)
RAWS = st.builds(
    lambda bound, hooks, fallback, name: {
        **bound,
        **({"hooks": hooks} if hooks is not None else {}),
        **({"fallbackDestination": fallback} if fallback is not None else {}),
        "name": name,
    },
    BOUND,
    HOOKS,
    st.none()
    | NUMBERS.map(lambda number: {"type": "number", "number": number})
    | st.just({"type": "sip", "sipUri": "sip:desk@example.net"}),
    st.text(max_size=5),
)
KEPT = st.builds(
    KeptFields,
    st.lists(TEXTS, max_size=2, unique=True).map(tuple),
    st.booleans(),
    st.lists(NUMBERS, max_size=2, unique=True).map(tuple),
    st.none() | st.just({"assistantId": "a-9"}),
)
DESIRED = st.builds(
    DesiredGateFields, st.booleans(), st.booleans(), st.none() | TEXTS, st.none() | NUMBERS
)


def patched(raw: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """What Vapi has after a PATCH: sent fields replace, null clears."""
    return {key: value for key, value in {**raw, **body}.items() if value is not None}


def foreign(raw: Mapping[str, Any], kept: KeptFields, desired: DesiredGateFields) -> list[object]:
    """The hooks that are neither ours nor about to be, in order."""
    texts = {*kept.ring_texts, desired.ring}
    numbers = {*kept.fallback_numbers, desired.transfer_to}
    return [
        hook
        for hook in raw.get("hooks") or []
        if (spoken_text(hook) is None or spoken_text(hook) not in texts)
        and (transfer_number(hook) is None or transfer_number(hook) not in numbers)
    ]


@given(desired=DESIRED, raw=RAWS, kept=KEPT)
def test_one_pass_is_enough_and_nothing_foreign_moves(
    desired: DesiredGateFields, raw: dict[str, Any], kept: KeptFields
) -> None:
    first = gate_changes(desired, raw, kept)
    after = patched(raw, first.body)
    second = gate_changes(desired, after, first.written, written=True)
    assert second.drift == ()
    assert dict(second.body) == {}
    assert foreign(after, first.written, desired) == foreign(raw, first.written, desired)
    assert after.get("name") == raw.get("name")
    assert set(first.body) <= {*BINDINGS, "hooks", "fallbackDestination"}
    third = gate_changes(desired, after, second.kept)
    assert third.drift == ()


@given(raw=RAWS, kept=KEPT, desired=DESIRED)
def test_an_interrupted_write_is_still_known_to_be_ours(
    raw: dict[str, Any], kept: KeptFields, desired: DesiredGateFields
) -> None:
    """Whether the PATCH arrived or not: what was kept before it lets a release take all of it off."""
    changes = gate_changes(desired, raw, kept)
    for seen in (raw, patched(raw, changes.body)):
        left = patched(seen, gate_changes(released_gates(), seen, changes.written).body)
        for hook in left.get("hooks") or []:
            assert spoken_text(hook) not in changes.written.ring_texts
        last = gate_changes(released_gates(), left, changes.written, written=True)
        assert not last.drift


@given(raw=RAWS, kept=KEPT)
def test_a_number_that_has_access_is_rid_of_our_hook(raw: dict[str, Any], kept: KeptFields) -> None:
    changes = gate_changes(DesiredGateFields(unbound=False, known=True), raw, kept)
    ours = [hook for hook in raw.get("hooks") or [] if spoken_text(hook) in set(kept.ring_texts)]
    body = only_unblocking(changes)
    assert bool(body) == bool(ours)
    if body:
        assert not [hook for hook in body["hooks"] if spoken_text(hook) in set(kept.ring_texts)]


def test_what_we_send_is_what_vapi_publishes() -> None:
    assert spec_errors("PhoneNumberHookCallRinging", ringing_hook("No.")) == []
    assert spec_errors("PhoneNumberHookCallEnding", ending_hook("+15550100001")) == []
    assert spec_errors("TransferDestinationNumber", destination("+15550100001")) == []


def test_ours_stands_first_and_is_known_by_what_it_says() -> None:
    theirs = {"on": "call.ringing", "do": [{"type": "say", "exact": "Welcome!"}]}
    kept = KeptFields()
    desired = DesiredGateFields(unbound=False, known=True, ring="Not in service.")
    changes = gate_changes(desired, {"hooks": [theirs]}, kept)
    assert changes.body["hooks"] == [ringing_hook("Not in service."), theirs]
    assert changes.written.ring_texts == ("Not in service.",)
    # Vapi may show more of a hook than was written.
    shown = {**ringing_hook("Not in service."), "filters": None, "name": "x"}
    again = gate_changes(desired, {"hooks": [shown, theirs]}, changes.kept)
    assert again.drift == ()
    off = gate_changes(
        DesiredGateFields(unbound=False, known=True), {"hooks": [shown]}, changes.kept
    )
    assert off.body["hooks"] == []


def test_what_answered_is_bound_again_unless_somebody_bound_something_else() -> None:
    request = DesiredGateFields(unbound=True, known=False)
    event = DesiredGateFields(unbound=False, known=False)
    changes = gate_changes(request, {"assistantId": "a-1"}, KeptFields())
    assert dict(changes.body) == {"assistantId": None}
    assert changes.kept.unbound == {"assistantId": "a-1"}
    again = gate_changes(request, {"squadId": "s-1"}, changes.kept)
    assert dict(again.body) == {"squadId": None}
    assert again.kept.unbound == {"assistantId": "a-1"}
    assert dict(gate_changes(event, {}, changes.kept).body) == {"assistantId": "a-1"}
    theirs = gate_changes(event, {"squadId": "s-1"}, changes.kept)
    assert (dict(theirs.body), theirs.kept.unbound) == ({}, None)


def test_a_fallback_that_somebody_else_set_stays() -> None:
    theirs = {"fallbackDestination": {"type": "sip", "sipUri": "sip:desk@example.net"}}
    desired = DesiredGateFields(unbound=False, known=True, transfer_to="+15550100001")
    assert "fallbackDestination" not in gate_changes(desired, theirs, KeptFields()).body
    assert "fallbackDestination" not in gate_changes(released_gates(), theirs, KeptFields()).body


def test_a_hook_that_another_tool_put_before_ours_is_no_rewording_of_ours() -> None:
    """The sweep's brake counts it: what many numbers lost at once may be meant."""
    theirs = {"on": "call.ringing", "do": [{"type": "say", "exact": "Welcome!"}]}
    desired = DesiredGateFields(unbound=False, known=True, ring="No.")
    kept = KeptFields(ring_texts=("No.", "No, yesterday."), ring_on=True)
    moved = gate_changes(desired, {"hooks": [theirs, ringing_hook("No.")]}, kept)
    assert moved.drift
    assert not is_rewording(moved, kept)
    reworded = gate_changes(desired, {"hooks": [ringing_hook("No, yesterday.")]}, kept)
    assert is_rewording(reworded, kept)


@pytest.mark.parametrize(
    ("gate", "diverts", "rings"),
    [("request", True, False), ("request", False, True), ("event", True, True)],
)
def test_no_ringing_hook_stops_a_call_that_is_diverted(
    gate: NumberGate, diverts: bool, rings: bool
) -> None:
    standing = AccessStanding(False, "closed", "We are closed.", True, None, None, None, diverts)
    assert (desired_gates(gate, standing).ring is not None) == rings
