"""What must hold at the end of a seed, once every fault is healed and time has passed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from service.domain.organizations import Organization
from tests.simulation.callers import Answer, Callers
from tests.simulation.story import FaultName, PlannedFault, Story
from tests.simulation.tables import CallRow, Tables
from tests.simulation.vapi_model import ModelCall, VapiModel, at

HANGUP_SECONDS = 10.0
"""How long a blocked call may live after its refusal, or after the fault that was in the way."""
FRESH_SECONDS = 5.0
"""How late a change may reach a replica, except while the replica cannot reach PostgreSQL."""
RECORDING_SECONDS = 2.5
ENDING = frozenset({"ended", "report"})
EXACT = Decimal("0.0001")
HARMLESS: frozenset[FaultName] = frozenset(
    {
        "worker_lost", "feed_lost", "slow", "cut",
        "vapi_throttles", "vapi_errors", "vapi_loses", "vapi_slow",
    }
)  # fmt: skip
"""Faults that are in the way of no hang-up; those of Vapi's API for numbers are too."""
DEAFENING: frozenset[FaultName] = frozenset(
    {"refuse", "stall", "feed_lost", "failover", "lost_commits", "crash", "freeze"}
)
"""Faults during which a replica cannot learn of a change, whatever it tries."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A seed that has run: its story, the model's rows, Vapi's calls and the answers given.

    `past` is when each organization became what it was; `harmed`, when a failover last lost commits on
    a call.
    """

    story: Story
    tables: Tables
    vapi: VapiModel
    callers: Callers
    past: tuple[tuple[float, Organization], ...]
    harmed: Mapping[str, float]

    def had_access(self, organization_id: UUID | None, moment: float) -> bool:
        """Whether an organization had access at a moment of the loop, by its true history."""
        states = [one for since, one in self.past if one.id == organization_id and since <= moment]
        if not states or states[-1].override is not None:
            return False
        trial = states[-1].trial
        return states[-1].plan is not None or (trial is not None and at(moment) < trial.ends_at)

    def kept(self, answer: Answer) -> bool:
        """Whether no failover lost what was committed for an answer. PostgreSQL acknowledged it, and a
        later message or Vapi's list alone can bring it back."""
        return answer.moment > self.harmed.get(answer.call_id, 0.0)

    def informed(self, answer: Answer, row: CallRow) -> bool:
        """Whether every change of the organization before an answer had reached its replica.

        A replica that cannot be reached cannot know better; then another one may answer otherwise.
        """
        return not any(
            answer.informed_at < since <= answer.moment
            for since, one in self.past
            if one.id == row.organization_id
        )

    def had_access_within(self, organization_id: UUID | None, since: float, until: float) -> bool:
        """Whether there was access at a moment between two."""
        moments = [since, until, *(one for one, _ in self.past if since < one < until)]
        return any(self.had_access(organization_id, one) for one in moments)


def check(outcome: Outcome) -> list[str]:
    """Every violation, as a sentence."""
    found = list(outcome.callers.failures)
    found += outcome.callers.loop.faults
    for call in outcome.vapi.calls.values():
        answers = [one for one in outcome.callers.answers if one.call_id == call.id]
        row = outcome.tables.calls.get(call.id)
        if answers and (call.other_number_id is None or row is None):
            found += check_call(outcome, call, row, answers)
    found += [
        f"{one}: recorded, but Vapi never had this call"
        for one in outcome.tables.calls
        if one not in outcome.vapi.calls
    ]
    return found


def check_call(
    outcome: Outcome, call: ModelCall, row: CallRow | None, answers: list[Answer]
) -> Iterator[str]:
    """The violations of one call that was answered."""
    kept = [one for one in answers if outcome.kept(one)]
    if row is None:
        if call.id not in outcome.harmed or any(one.kind in ENDING for one in kept):
            yield f"{call.id}: answered {len(answers)} times, but not recorded"
        elif call.live and not any(one.allowed for one in answers):
            yield f"{call.id}: blocked, its record lost in a failover, and still alive"
        return
    agreeing = call.id not in outcome.harmed and all(outcome.informed(one, row) for one in answers)
    if agreeing:
        yield from check_answers(outcome, row, answers)
    yield from check_end(call, row, kept)
    yield from check_life(outcome, call, row, answers)
    if agreeing:
        yield from check_left_alone(outcome, call, row)
    yield from check_grant(outcome, row, answers)


def check_answers(outcome: Outcome, row: CallRow, answers: list[Answer]) -> Iterator[str]:
    """One decision a call: every answer agrees with the record."""
    if wavered(outcome, row):
        return
    recorded = not row.blocked
    wrong = [
        one
        for one in answers
        if one.allowed != recorded and not overtaken(one, row) and not since_cut(outcome, one, row)
    ]
    if wrong:
        yield (
            f"{row.vapi_call_id}: recorded as {'granted' if recorded else 'blocked'} "
            f"({row.reason}), but {len(wrong)} of {len(answers)} answers say otherwise, the first "
            f"at {wrong[0].moment - 1000:.3f} by {wrong[0].where}"
        )


def since_cut(outcome: Outcome, answer: Answer, row: CallRow) -> bool:
    """Whether a granted call was refused because its access ended and its organization wants it cut.

    A replica that knows the call goes on granting its messages until the call is over.
    """
    if answer.allowed or row.organization_id is None:
        return False
    handling = outcome.tables.entries[row.organization_id].organization.handling
    over = not outcome.had_access(row.organization_id, answer.moment)
    return handling.when_access_ends == "hang_up" and over


def wavered(outcome: Outcome, row: CallRow) -> bool:
    """Whether access changed between a call's beginning at Vapi and its first message that arrived.

    A replica that cannot ask judges as of the beginning; it is corrected when PostgreSQL is back.
    """
    decided = (row.decision.decided_at - at(0)).total_seconds()
    owner, began = row.organization_id, outcome.vapi.calls[row.vapi_call_id].began
    return outcome.had_access(owner, began) != outcome.had_access(owner, decided)


def overtaken(answer: Answer, row: CallRow) -> bool:
    """Whether another replica decided while the record of an assistant-request was being written.

    It is answered from memory before its record arrives; the decision that is recorded first wins.
    """
    decided = (row.decision.decided_at - at(0)).total_seconds()
    return answer.kind == "request" and abs(decided - answer.moment) < RECORDING_SECONDS


def check_end(call: ModelCall, row: CallRow, answers: list[Answer]) -> Iterator[str]:
    """A report of the end that was answered is recorded, with its figures."""
    kinds = {one.kind for one in answers}
    if not kinds & ENDING or call.ended_at is None:
        return
    if row.ended_at is None:
        yield f"{call.id}: its end was reported and answered, but it is recorded as in progress"
        return
    off = abs((row.ended_at - at(call.ended_at)).total_seconds())
    if off > 1 and row.end_proved:
        yield f"{call.id}: the recorded end is {off:.1f} s off"
    if "report" in kinds:
        lasted = call.ended_at - call.began
        if row.duration_seconds is None or abs(row.duration_seconds - lasted) > 0.01:
            yield f"{call.id}: lasted {lasted:.3f} s, but {row.duration_seconds} s are recorded"
        cost = round(Decimal(str(0.01 + lasted * 0.001)), 4)
        if row.cost is None or abs(row.cost - cost) > EXACT:
            yield f"{call.id}: cost {cost}, but {row.cost} is recorded"


def check_life(
    outcome: Outcome, call: ModelCall, row: CallRow, answers: list[Answer]
) -> Iterator[str]:
    """A blocked call ends soon."""
    refused = [one.moment for one in answers if not one.allowed]
    if row.blocked and refused:
        due = latest_end(refused[0], outcome.story.faults, deaf=call.commands > 1)
        if call.ended_at is None or call.ended_at > due:
            lived = (call.ended_at or outcome.callers.loop.time()) - refused[0]
            yield f"{call.id}: blocked, but lived for {lived:.1f} s after it was refused"


def check_left_alone(outcome: Outcome, call: ModelCall, row: CallRow) -> Iterator[str]:
    """A granted call is hung up only if its access ended and its organization wants that."""
    if row.blocked or not call.commands:
        return
    moment = call.ended_at or outcome.callers.loop.time()
    if row.cut_at is not None:
        moment = (row.cut_at - at(0)).total_seconds()
    if not may_cut(outcome, row, moment):
        yield f"{call.id}: granted, but {call.commands} commands hung it up"


def may_cut(outcome: Outcome, row: CallRow, moment: float) -> bool:
    """Whether the organization wants its calls cut, and had no access at a moment, or shortly before."""
    assert row.organization_id is not None
    handling = outcome.tables.entries[row.organization_id].organization.handling
    ended = not outcome.had_access(row.organization_id, moment - 1)
    return handling.when_access_ends == "hang_up" and (
        ended or not outcome.had_access(row.organization_id, moment)
    )


def latest_end(refused: float, faults: tuple[PlannedFault, ...], *, deaf: bool) -> float:
    """When a refused call has to be over: faults in the way put it off until after their end."""
    due = refused + HANGUP_SECONDS
    for fault in faults:
        in_the_way = deaf or fault.name not in HARMLESS
        if in_the_way and fault.moment < due:
            due = max(due, fault.moment + fault.lasts + HANGUP_SECONDS)
    return due


def check_grant(outcome: Outcome, row: CallRow, answers: list[Answer]) -> Iterator[str]:
    """A decision is as of the facts of the last seconds, where the replica could learn of them."""
    moment = answers[0].moment
    for fault in outcome.story.faults:
        over = fault.moment + fault.lasts + FRESH_SECONDS
        if fault.name in DEAFENING and fault.moment - 1 < moment < over + FRESH_SECONDS:
            return
    since = moment - FRESH_SECONDS
    if answers[0].allowed and not outcome.had_access_within(row.organization_id, since, moment):
        yield f"{row.vapi_call_id}: granted at {moment - 1000:.3f} without access for {FRESH_SECONDS} s"
