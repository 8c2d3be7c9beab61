"""What a seed contains: organizations, calls, changes of access and faults, all drawn beforehand."""

import random
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from policies.entitlements import Override, SubscriptionPlan, Trial
from service.domain.handling import Handling
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber
from service.store.organizations.directory import DirectoryEntry
from service.store.organizations.past_changes import PastChange
from tests.simulation.number_story import NumberStory, tell_numbers
from tests.simulation.vapi_model import at

BEGIN = 1005.0
"""When the first calls and faults may come: every replica has started by then."""
TROUBLE_SECONDS = 30.0
SETTLE_SECONDS = 45.0
CALM = BEGIN + TROUBLE_SECONDS
END = CALM + SETTLE_SECONDS

Access = Literal["plan", "none", "trial", "denied"]
FaultName = Literal[
    "cut", "refuse", "stall", "half_open", "slow", "worker_lost", "feed_lost", "crash",
    "failover", "lost_commits", "freeze", "vapi_down", "control_down",
    "vapi_throttles", "vapi_errors", "vapi_loses", "vapi_slow",
]  # fmt: skip
FAULTS: tuple[FaultName, ...] = (
    "cut", "refuse", "stall", "half_open", "slow", "worker_lost", "feed_lost", "crash",
    "failover", "lost_commits", "freeze", "vapi_down", "control_down",
    "vapi_throttles", "vapi_errors", "vapi_loses", "vapi_slow",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call: when it begins, how long it would last, and what Vapi makes of it."""

    id: str
    number_id: str
    organization_id: UUID
    begins: float
    lasts: float
    asks: bool
    updates: tuple[float, ...]
    hidden: float
    deaf: int
    other_number_id: str | None
    """A number of another organization, which some of its messages name."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an organization's access by an admin."""

    moment: float
    organization_id: UUID
    access: Access


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault of one replica, or of all (`replica` is None), from a moment on."""

    name: FaultName
    moment: float
    lasts: float
    replica: int | None
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that a seed decides before it runs."""

    replicas: int
    entries: tuple[DirectoryEntry, ...]
    calls: tuple[PlannedCall, ...]
    changes: tuple[Change, ...]
    faults: tuple[PlannedFault, ...]
    watched: bool
    """Whether replicas compare Vapi's list of calls with theirs: it repairs what went wrong before."""
    numbers: NumberStory


def tell(chance: random.Random, enabled: frozenset[str]) -> Story:
    """Draw a story."""
    entries = tuple(new_entry(chance, index) for index in range(chance.randint(2, 4)))
    calls = tuple(
        new_call(chance, index, chance.choice(entries), entries)
        for index in range(chance.randint(4, 12))
    )
    changes = [
        Change(
            chance.uniform(BEGIN, CALM),
            chance.choice(entries).organization.id,
            chance.choice(("plan", "none", "trial", "denied")),
        )
        for _ in range(chance.choice((0, 1, 1, 2, 3)))
    ]
    replicas = chance.choice((2, 2, 3))
    possible = [name for name in FAULTS if name in enabled]
    count = chance.choice((0, 1, 1, 2, 2, 3, 4)) if possible else 0
    faults = [new_fault(chance, chance.choice(possible), replicas) for _ in range(count)]
    return Story(
        replicas,
        entries,
        calls,
        tuple(sorted(changes, key=lambda one: one.moment)),
        tuple(sorted(faults, key=lambda one: one.moment)),
        watched=chance.random() < 0.3,
        numbers=tell_numbers(chance, entries, BEGIN, CALM),
    )


def new_entry(chance: random.Random, index: int) -> DirectoryEntry:
    """An organization with one number."""
    owner = UUID(int=chance.getrandbits(128), version=4)
    handling = Handling(
        when_access_ends=chance.choice(("finish", "finish", "hang_up")),
        ring_gate=chance.choice((True, False)),
    )
    organization = Organization(owner, f"Organization {index}", handling=handling)
    access: Access = chance.choice(("plan", "plan", "none", "trial"))
    organization = with_access(organization, access, BEGIN, chance.uniform(5, 40))
    number = PhoneNumber(UUID(int=chance.getrandbits(128), version=4), owner, f"number-{index}")
    return DirectoryEntry(organization, (number,))


def with_access(
    organization: Organization, access: Access, moment: float, seconds: float = 10.0
) -> Organization:
    """The organization after a change; a trial ends after `seconds`."""
    plan = SubscriptionPlan("pro", "active") if access == "plan" else None
    began, ends = at(moment - 1000), at(moment) + timedelta(seconds=seconds)
    trial = Trial(began, ends) if access == "trial" else None
    override = Override("deny", "Blocked.", "admin") if access == "denied" else None
    return replace(organization, plan=plan, trial=trial, override=override)


def changes_between(
    former: Organization, fresh: Organization, moment: datetime
) -> tuple[PastChange, ...]:
    """The history of a change, as PostgreSQL's triggers write it: the rows before it."""
    plan, trial, override = former.plan, former.trial, former.override
    rows = {
        "plans": None
        if plan is None
        else {
            "code": plan.code,
            "status": plan.status,
            "current_period_end": None,
            "grace_period_end": None,
            "cancel_at_period_end": False,
            "limits": None,
        },
        "trials": None
        if trial is None
        else {"starts_at": trial.starts_at.isoformat(), "ends_at": trial.ends_at.isoformat()},
        "overrides": None
        if override is None
        else {**asdict(override), "starts_at": None, "expires_at": None},
    }
    changed = {
        "plans": plan != fresh.plan,
        "trials": trial != fresh.trial,
        "overrides": override != fresh.override,
    }
    return tuple(
        PastChange(moment, kind, before=row) for kind, row in rows.items() if changed[kind]
    )


def new_call(
    chance: random.Random, index: int, entry: DirectoryEntry, entries: tuple[DirectoryEntry, ...]
) -> PlannedCall:
    """A call of an organization, from its first message to the end that its caller wants."""
    others = [one for one in entries if one is not entry]
    other = chance.choice(others) if chance.random() < 0.15 else None
    lasts = chance.choice((2.0, 8.0, 20.0, 40.0, 200.0)) * chance.uniform(0.5, 1.5)
    begins = chance.uniform(BEGIN, CALM - 1)
    updates = sorted(chance.uniform(0.2, min(lasts, 50.0)) for _ in range(chance.randint(0, 6)))
    return PlannedCall(
        id=f"call-{index}",
        number_id=entry.phone_numbers[0].vapi_phone_number_id,
        organization_id=entry.organization.id,
        begins=begins,
        lasts=lasts,
        asks=chance.random() < 0.3,
        updates=tuple(updates),
        hidden=chance.choice((0.0, 0.0, 0.5, 3.0)),
        deaf=chance.choice((0, 0, 0, 1)),
        other_number_id=other.phone_numbers[0].vapi_phone_number_id if other else None,
    )


def new_fault(chance: random.Random, name: FaultName, replicas: int) -> PlannedFault:
    """A fault somewhere in the time of trouble."""
    moment = chance.uniform(BEGIN, CALM - 2)
    lasts = min(chance.choice((0.2, 2.0, 6.0, 15.0)) * chance.uniform(0.5, 1.5), CALM - moment)
    replica = chance.choice((None, *range(replicas)))
    links = chance.choice((("pool",), ("pool", "feed"), ("pool", "feed", "worker"), ("worker",)))
    if name in ("worker_lost", "feed_lost"):
        links = (name.removesuffix("_lost"),)
    return PlannedFault(name, moment, lasts, replica, links)
