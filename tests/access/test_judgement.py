"""A call judged later, on a replica that only has the history, gets the answer of its first message."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from policies import AccessRequest, Verdict, abstain, policy
from policies.contract import Effect
from policies.entitlements import Override, SubscriptionPlan, Trial
from policies.host.registration import fit_policy
from service.access.directory import AccessDirectory, Registration
from service.access.judgement import (
    AFTER,
    BEFORE,
    CallJudge,
    Judgement,
    Lines,
)
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import load_policies
from service.domain.handling import Handling
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber
from service.store.organizations.directory import DirectoryEntry
from service.store.organizations.past_changes import PastChange

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
OWNERS = UUID(int=1), UUID(int=2)
NUMBER = "n-1"
LINES = Lines((NUMBER,), ())
CHAIN = AccessChain(load_policies().policies)


def at(minute: float) -> datetime:
    """An instant so many minutes before now."""
    return NOW - timedelta(minutes=minute)


ENDS = st.one_of(st.none(), st.integers(-60, 600).map(at))
FACTS = st.one_of(
    st.tuples(
        st.just("plan"),
        st.none()
        | st.builds(
            SubscriptionPlan,
            st.just("pro"),
            st.sampled_from(["active", "canceled", "past_due", "unpaid"]),
            ENDS,
            ENDS,
            st.booleans(),
        ),
    ),
    st.tuples(
        st.just("trial"),
        st.none() | st.builds(Trial, st.integers(300, 600).map(at), st.integers(-60, 299).map(at)),
    ),
    st.tuples(
        st.just("override"),
        st.none()
        | st.builds(
            Override, st.sampled_from(["allow", "deny"]), st.just("-"), st.just("Ada"), ENDS, ENDS
        ),
    ),
    st.tuples(st.just("number"), st.sampled_from(OWNERS)),
)


@dataclass(frozen=True)
class Step:
    """A change `minute` minutes ago, of one of the two organizations."""

    minute: float
    owner: UUID
    fact: tuple[str, Any]


# Changes lie between the minutes at which calls begin, apart from the window of a guess.
STEPS = st.lists(
    st.builds(Step, st.integers(1, 700).map(lambda m: m + 0.5), st.sampled_from(OWNERS), FACTS),
    max_size=8,
    unique_by=lambda step: step.minute,
)


def as_json(value: object) -> dict[str, Any] | None:
    """A fact as PostgreSQL's triggers keep its row."""
    if value is None:
        return None
    return {
        name: one.isoformat() if isinstance(one, datetime) else one
        for name, one in asdict(value).items()  # type: ignore[call-overload]
    }


def number_of(owner: UUID) -> PhoneNumber:
    return PhoneNumber(UUID(int=9), owner, NUMBER)


NUMBER_ROW = {
    "id": str(UUID(int=9)),
    "vapi_phone_number_id": NUMBER,
    "number": None,
    "label": None,
    "gate": "event",
    "answer_with": None,
}
TABLES = {"plan": "plans", "trial": "trials", "override": "overrides"}


class World:
    """Two organizations and a number through time, with the history that the database keeps."""

    def __init__(self, handling: Handling) -> None:
        self.organizations = {
            owner: Organization(owner, "Bakery", handling=handling) for owner in OWNERS
        }
        self.holder = OWNERS[0]
        self.changes: Mapping[UUID, list[PastChange]] = {owner: [] for owner in OWNERS}

    def apply(self, step: Step) -> None:
        kind, value = step.fact
        changed_at = at(step.minute)
        if kind != "number":
            before = getattr(self.organizations[step.owner], kind)
            change = PastChange(changed_at, TABLES[kind], None, as_json(before))
            self.changes[step.owner].append(change)
            self.organizations[step.owner] = replace(
                self.organizations[step.owner], **{kind: value}
            )
        elif value != self.holder:
            self.changes[self.holder].append(
                PastChange(changed_at, "phone_numbers", NUMBER, dict(NUMBER_ROW))
            )
            self.changes[value].append(PastChange(changed_at, "phone_numbers", NUMBER, None))
            self.holder = value

    def directory(self, now: datetime) -> AccessDirectory:
        """A directory of a replica that has just read all, at an instant."""
        directory = AccessDirectory()
        for owner, organization in self.organizations.items():
            numbers = (number_of(owner),) if owner == self.holder else ()
            directory.put(DirectoryEntry(organization, numbers, tuple(self.changes[owner])))
        directory.clock.set(now, time.monotonic(), time.monotonic())
        return directory


def judge(directory: AccessDirectory, began_at: datetime | None) -> Judgement:
    judging = CallJudge(directory, CHAIN)
    if began_at is None:
        return asyncio.run(judging.judge_now(LINES))
    return asyncio.run(judging.judge_then(LINES, began_at))


def owner_of(judgement: Judgement) -> UUID | None:
    return judgement.registration.organization.id if judgement.registration else None


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, minute=st.integers(1, 700), cuts=st.booleans())
def test_the_history_gives_the_answer_of_the_first_message(
    steps: list[Step], minute: int, cuts: bool
) -> None:
    world = World(Handling(when_access_ends="hang_up" if cuts else "finish"))
    ordered = sorted(steps, key=lambda step: -step.minute)
    for step in ordered:
        if step.minute > minute:
            world.apply(step)
    first = judge(world.directory(at(minute)), None)
    for step in ordered:
        if step.minute < minute:
            world.apply(step)
    after = world.directory(NOW)
    later = judge(after, at(minute))
    assert owner_of(later) == owner_of(first)
    assert later.decision.basis == "reconstructed"
    ended = cuts and not has_access(after, owner_of(first))
    expected = Effect.DENY if ended else first.decision.effect
    assert later.decision.effect is expected
    if first.decision.allowed == (expected is Effect.ALLOW):
        assert later.decision.reason == first.decision.reason
    assert not later.guessed or not ended


def has_access(directory: AccessDirectory, owner: UUID | None) -> bool:
    """Whether an organization has access now."""
    assert owner is not None
    judging = CallJudge(directory, CHAIN)
    entry = directory.entries[owner]
    registration = judge(directory, None).registration
    assert registration is not None
    present = asyncio.run(
        judging.judge_registered(LINES, Registration(entry.organization, registration.phone_number))
    )
    return present.decision.allowed


def trial_world(*steps: Step) -> AccessDirectory:
    world = World(Handling())
    for step in steps:
        world.apply(step)
    return world.directory(NOW)


GRANT, END = ("trial", Trial(at(600), at(-600))), ("trial", None)


def test_a_denial_next_to_a_change_is_a_guess() -> None:
    just_after, long_after = AFTER / 2, AFTER * 2
    began = at(60)
    for gap, guessed in ((just_after, True), (long_after, False)):
        granted = replace(
            Step(0, OWNERS[0], GRANT), minute=(NOW - began - gap).total_seconds() / 60
        )
        found = judge(trial_world(granted), began)
        assert (found.decision.allowed, found.guessed) == (False, guessed)
    ended = replace(Step(0, OWNERS[0], END), minute=(NOW - began + BEFORE / 2).total_seconds() / 60)
    assert judge(trial_world(Step(90, OWNERS[0], GRANT), ended), began).guessed


def test_a_policy_that_fails_now_ends_no_call_that_was_granted() -> None:
    @policy(order=50, on_failure="deny")
    def fails_by_now(request: AccessRequest) -> Verdict:
        if request.at > at(1):
            raise ConnectionError
        return abstain()

    chain = AccessChain([*load_policies().policies, fit_policy(fails_by_now, "tests", "1")])
    world = World(Handling(when_access_ends="hang_up"))
    world.apply(Step(90, OWNERS[0], GRANT))
    judging = CallJudge(world.directory(NOW), chain)
    present = asyncio.run(judging.judge_now(LINES))
    assert present.decision.reason == "policy_failed"
    assert asyncio.run(judging.judge_then(LINES, at(60))).decision.allowed


def test_without_a_beginning_a_denial_is_certain_only_if_nothing_ever_granted() -> None:
    """The facts of now decide; what another replica may have granted is not hung up."""

    def judge_blindly(directory: AccessDirectory) -> Judgement:
        return asyncio.run(CallJudge(directory, CHAIN).judge_then(LINES, None))

    never = judge_blindly(trial_world())
    assert (never.decision.allowed, never.guessed) == (False, False)
    ended = judge_blindly(trial_world(Step(90, OWNERS[0], GRANT), Step(30, OWNERS[0], END)))
    assert (ended.decision.allowed, ended.guessed) == (False, True)
    granted = judge_blindly(trial_world(Step(90, OWNERS[0], GRANT)))
    assert (granted.decision.allowed, granted.guessed) == (True, False)
