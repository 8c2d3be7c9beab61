"""What must hold for calls whose messages name the numbers of two organizations.

Vapi knows whose call it is. Both organizations decide, a denial wins, and what one of them does to the
call of the other ends with Vapi's word.
"""

from collections.abc import Iterator
from uuid import UUID

from tests.simulation.callers import Answer
from tests.simulation.properties import Outcome, check_end, check_life
from tests.simulation.tables import CallRow
from tests.simulation.vapi_model import ModelCall, at

SETTLED_SECONDS = 6.0
"""Access that did not change since so long before a call is the same for every replica."""


def check_contested(outcome: Outcome) -> list[str]:
    """Every violation, as a sentence."""
    found: list[str] = []
    for call in outcome.vapi.calls.values():
        row = outcome.tables.calls.get(call.id)
        if call.other_number_id is None or row is None or call.id in outcome.harmed:
            continue
        answers = [one for one in outcome.callers.answers if one.call_id == call.id]
        own = [one for one in answers if one.number_id == call.number_id]
        if answers:
            found += check_owner(outcome, call, row, answers)
            found += check_words(outcome, call, answers)
        if row.organization_id == owner_of(outcome, call.number_id):
            found += check_end(call, row, own)
            found += check_life(outcome, call, row, own)
    return found


def owner_of(outcome: Outcome, number_id: str) -> UUID:
    """The organization of a number."""
    return next(
        owner
        for owner, entry in outcome.tables.entries.items()
        if entry.phone_numbers[0].vapi_phone_number_id == number_id
    )


def access_of(outcome: Outcome, call: ModelCall, number_id: str) -> bool | None:
    """Whether the organization of a number had access all the time; None: it changed."""
    owner, since = owner_of(outcome, number_id), call.began - SETTLED_SECONDS
    now = outcome.callers.loop.time()
    ends = [
        (one.trial.ends_at - at(0)).total_seconds()
        for _, one in outcome.past
        if one.id == owner and one.trial
    ]
    changes = [*ends, *(one for one, _ in outcome.past)]
    moments = [since, now, *(one for one in changes if since < one < now)]
    found = {outcome.had_access(owner, one) for one in moments}
    return found.pop() if len(found) == 1 else None


def check_owner(
    outcome: Outcome, call: ModelCall, row: CallRow, answers: list[Answer]
) -> Iterator[str]:
    """A call that two organizations were named for is recorded as that of Vapi's number."""
    named = {one.number_id for one in answers}
    owner = owner_of(outcome, call.number_id)
    if len(named) > 1 and row.organization_id != owner:
        yield f"{call.id}: two organizations were named, and it is recorded for the wrong one"
    # A replica that an outage kept from hearing of the access denies by what it knew.
    knew = tells(outcome, call) and all(heard(outcome, call, one) for one in answers)
    if call.commands and knew and access_of(outcome, call, call.number_id):
        yield f"{call.id}: its organization has access, but {call.commands} commands hung it up"


def tells(outcome: Outcome, call: ModelCall) -> bool:
    """Whether Vapi could tell whose call it is all the time; else the word of a message counts."""
    down = any(fault.name == "vapi_down" for fault in outcome.story.faults)
    return call.hidden_until <= call.began and not down


def heard(outcome: Outcome, call: ModelCall, answer: Answer) -> bool:
    """Whether every change before a call had reached the replica that answered."""
    changes = [since for since, _ in outcome.past if since <= call.began]
    return answer.informed_at >= max(changes)


def check_words(outcome: Outcome, call: ModelCall, answers: list[Answer]) -> Iterator[str]:
    """An answer grants only what the named organization may have; it denies only by a denial."""
    assert call.other_number_id is not None
    access = {one: access_of(outcome, call, one) for one in (call.number_id, call.other_number_id)}
    if None in access.values() or not all(heard(outcome, call, one) for one in answers):
        return
    granted = [one for one in answers if one.allowed and not access[one.number_id]]
    if granted:
        yield f"{call.id}: granted to {granted[0].number_id}, whose organization has no access"
    if all(access.values()) and not all(one.allowed for one in answers):
        yield f"{call.id}: denied, although both organizations have access"
    for probe in outcome.callers.probes:
        if probe.call_id != call.id:
            continue
        expected = access[probe.number_id] and access[call.number_id]
        if probe.allowed != expected:
            word = "granted" if probe.allowed else "denied"
            yield f"{call.id}: {word} to {probe.number_id} by {probe.where} after the faults"
