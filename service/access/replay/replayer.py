"""Decides recorded calls again with another chain, and compares. No I/O.

What cannot be known is an obstacle, not a difference: the facts that are not stored, the answers of
policies that are not asked again, and failures of then.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from policies.contract import CallFacts
from policies.host.lifecycle import START_SECONDS
from policies.host.registration import RegisteredPolicy
from service.access.policies.chain import AccessChain
from service.access.policies.lifecycle import start_policies, stop_policies
from service.access.policies.line_up import Arrangement
from service.access.policies.request import DIRECTIONS, build_request
from service.access.replay.answers import (
    MESSAGE,
    NOT_STORED,
    Calls,
    CallUnderReplay,
    ReplayEvaluator,
)
from service.domain.decisions import Decision
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber
from service.domain.policies.choices import GeneralChoices
from service.domain.policies.limits import apply_limits, used_in
from service.domain.policies.replays import ComparedDecision, Obstacle, ReplayedCall
from service.store.organizations.past_facts import PastFacts
from service.store.policies.recorded_decisions import RecordedDecision
from service.vapi.message_types import ASSISTANT_REQUEST

SETTLING = timedelta(seconds=2)
"""A change this long before a decision may have reached the replica after it: later ones make the
decision one by the last known state."""
MOMENT = timedelta(microseconds=1)
AT_ONCE = 16
NEVER_STORED = frozenset({"usage", "call.earlier_calls_hour", "call.earlier_calls_today"})
FORGOTTEN = ""
"""The stored number of a caller who was forgotten."""
OWN_FAULTS = ("raised:", "no_verdict", "bad_")
"""Failures that a policy's code makes: a changed one may not make them. Others are of the moment."""


class Replayer:
    """Decides recorded calls by the given policies, under these choices for all organizations.

    Policies that only compute are asked, and those whose names are in `asked`.
    """

    def __init__(
        self,
        policies: Sequence[RegisteredPolicy],
        *,
        choices: GeneralChoices,
        renewal_grace: timedelta,
        asked: Collection[str] = (),
    ) -> None:
        self.calls: Calls = {}
        self.chain = AccessChain([], renewal_grace)
        self.chain.choices.take(choices, 0.0)
        self.evaluators = [
            ReplayEvaluator(one, self.calls, is_asked=one.name in asked) for one in policies
        ]
        self.chain.arranged = Arrangement(self.evaluators, self.chain.choices.value)

    async def start(self) -> Sequence[str]:
        """Start the policies that are asked; returns why some could not be started."""
        asked = [one for one in self.evaluators if one.is_asked]
        failed = await start_policies(asked, seconds=START_SECONDS)
        left = [one for one in self.evaluators if one not in [failure for failure, _ in failed]]
        self.chain.arranged = Arrangement(left, self.chain.choices.value)
        return [problem.message for _, problem in failed]

    async def stop(self) -> None:
        """Stop those that were started."""
        await stop_policies([one for one in self.evaluators if one.is_asked])

    async def replay_page(
        self, page: Sequence[RecordedDecision], find: Callable[[RecordedDecision], PastFacts | None]
    ) -> list[ReplayedCall]:
        """Each call of a page, decided again; `find` gives the facts of its organization."""
        found: list[ReplayedCall] = []
        for first in range(0, len(page), AT_ONCE):
            some = page[first : first + AT_ONCE]
            found += await asyncio.gather(*(self.replay(one, find(one)) for one in some))
            await asyncio.sleep(0)
        return found

    async def replay(self, recorded: RecordedDecision, past: PastFacts | None) -> ReplayedCall:
        """One call, decided again with the facts of then."""
        assert recorded.organization_id is not None
        decision = recorded.decision
        before = ComparedDecision.of(decision)
        replayed = ReplayedCall(recorded.vapi_call_id, recorded.organization_id, before)
        if past is None:
            return replayed._replace(obstacle=Obstacle("organization_deleted"))
        organization = past.find_organization(decision.decided_at)
        if organization is None:
            return replayed._replace(obstacle=Obstacle("history_deleted"))
        again = await self.decide(recorded, past, organization, decision.decided_at)
        if again.obstacle is None and again.outcome != before:
            for facts_at in settling_instants(decision, past):
                earlier = past.find_organization(facts_at)
                if earlier is not None:
                    other = await self.decide(recorded, past, earlier, facts_at)
                    if other.outcome == before:
                        return replayed._replace(obstacle=Obstacle("facts_changing"))
        return replayed._replace(after=again.outcome, obstacle=again.obstacle)

    async def decide(
        self,
        recorded: RecordedDecision,
        past: PastFacts,
        organization: Organization,
        facts_at: datetime,
    ) -> "DecidedAgain":
        """The decision with the facts of an instant, and what stands in the way of comparing it."""
        number = past.find_number(recorded.phone_number_id, facts_at)
        own = past.entry.organization.policies
        call = CallUnderReplay(recorded.decision, list_unstored(recorded, past, number))
        self.calls[recorded.vapi_call_id] = call
        facts = CallFacts(
            recorded.vapi_call_id,
            recorded.type,
            recorded.customer_number or None,
            recorded.assistant_id,
            message=ASSISTANT_REQUEST if recorded.gate == "request" else None,
        )
        at = recorded.decision.decided_at
        asked = build_request(replace(organization, policies=own), at, number, facts)
        try:
            decision = await self.chain.decide(asked, basis="reconstructed", own=own)
        finally:
            del self.calls[recorded.vapi_call_id]
        decision = apply_limits(decision, used_in(recorded.decision))
        return DecidedAgain(
            ComparedDecision.of(decision), find_obstacle(recorded.decision, decision, call)
        )


class DecidedAgain(NamedTuple):
    """What another chain decides, and why it cannot be compared; None: it can."""

    outcome: ComparedDecision
    obstacle: Obstacle | None


def settling_instants(decision: Decision, past: PastFacts) -> list[datetime]:
    """The instants just before changes that may not have reached the replica when it decided."""
    at = decision.decided_at
    return [one - MOMENT for one in past.list_changes(at - SETTLING, at)]


def list_unstored(
    recorded: RecordedDecision, past: PastFacts, number: PhoneNumber | None
) -> set[str]:
    """The facts of then that no row tells, by their names in the request."""
    ours, theirs = "call.called_number", "call.caller_number"
    if DIRECTIONS.get(recorded.type or "") == "outbound":
        ours, theirs = theirs, ours
    found = set(NEVER_STORED)
    if recorded.gate != "request" and not recorded.missed:
        found.add(MESSAGE)
    if recorded.customer_number == FORGOTTEN:
        found.add(theirs)
    if recorded.gate == "request" and recorded.assistant_id is not None:
        found.add("call.assistant_id")  # a later message told it
    if recorded.phone_number_id is not None and number is None:
        found |= {"phone_number", ours}
    if past.updated_at > recorded.decision.decided_at:
        found.add("organization.time_zone")
    return found


def find_obstacle(then: Decision, again: Decision, call: CallUnderReplay) -> Obstacle | None:
    """What stands in the way of comparing two decisions; None: nothing."""
    for entry in again.trace:
        if entry.reason == NOT_STORED and entry.policy in call.obstacles:
            return call.obstacles[entry.policy]
    if ComparedDecision.of(then) == ComparedDecision.of(again):
        return None
    for entry in then.trace:
        if entry.effect == "failed" and not (entry.reason or "").startswith(OWN_FAULTS):
            return Obstacle("failed_then", entry.policy, entry.reason)
    return Obstacle("stale_facts_then") if then.basis == "last_known_good" else None
