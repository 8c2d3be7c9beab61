"""Runs one seed: builds the world, lets the story happen, heals it, and checks what must hold."""

import asyncio
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import structlog

from policies.admin_override import AdminOverridePolicy
from policies.host.registration import fit_policy
from policies.plan import PlanPolicy
from policies.trial import TrialPolicy
from tests.simulation.call_hangups import CallRules
from tests.simulation.callers import Callers
from tests.simulation.contested import check_contested
from tests.simulation.faults import Troubles
from tests.simulation.feed_model import DIRECTORY
from tests.simulation.loop import VirtualLoop, virtual_world
from tests.simulation.number_acts import NumberActs
from tests.simulation.number_properties import check_numbers
from tests.simulation.properties import Outcome, check
from tests.simulation.reconcilers import Reconcilers
from tests.simulation.replica import SimReplica
from tests.simulation.story import CALM, END, Story, changes_between, tell, with_access
from tests.simulation.sweep_rules import ReconcileRules
from tests.simulation.tables import Tables, begun_watch
from tests.simulation.trace import Trace
from tests.simulation.vapi_model import VapiModel, at
from tests.simulation.vapi_numbers import VapiNumbers

POLICIES = tuple(
    fit_policy(one, "callgate", "0") for one in (AdminOverridePolicy(), PlanPolicy(), TrialPolicy())
)
LOOKS = (CALM + 12, CALM + 20, CALM + 30, END, CALM + 60, CALM + 90)
"""When the properties are checked: a seed is over once they hold."""
DEVICE = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Result:
    """What a seed came to: the violations, and the history."""

    seed: int
    violations: tuple[str, ...]
    trace: Trace
    answers: int


def run_seed(seed: int, enabled: frozenset[str]) -> Result:
    """Run one seed with these kinds of faults."""
    chance = random.Random(seed)
    story = tell(chance, enabled)
    loop = VirtualLoop()
    trace = Trace(loop)
    folder = Path(tempfile.mkdtemp(prefix="callgate-sim-", dir=DEVICE if DEVICE.is_dir() else None))
    try:
        with virtual_world(loop, random.Random(seed + 1)), traced(trace):
            asyncio.set_event_loop(loop)
            world = World(loop, chance, story, trace, folder)
            outcome = loop.run_until_complete(world.run())
            violations = tuple(world.check(outcome))
            world.close()
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        shutil.rmtree(folder, ignore_errors=True)
    return Result(seed, violations, trace, len(outcome.callers.answers))


@contextmanager
def traced(trace: Trace) -> Iterator[None]:
    """Let our own log write into the trace."""
    kept = structlog.get_config()
    structlog.configure(
        processors=[trace.take_log],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**kept)


class World:
    """The replicas, PostgreSQL and Vapi of one seed."""

    def __init__(
        self, loop: VirtualLoop, chance: random.Random, story: Story, trace: Trace, folder: Path
    ) -> None:
        self.loop, self.story, self.trace = loop, story, trace
        self.tables = Tables(lambda: at(loop.virtual))
        self.tables.watch.update(begun_watch(self.tables.now()))
        for entry in story.entries:
            self.tables.entries[entry.organization.id] = entry
        rules = CallRules(self.tables)
        self.vapi = VapiModel(loop, random.Random(chance.random()))
        self.reconciling = ReconcileRules(self.tables)
        self.numbers = VapiNumbers(
            loop, random.Random(chance.random()), self.vapi, trace, story.numbers.page
        )
        self.acts = NumberActs(loop, story.numbers, self.reconciling, self.numbers, trace)
        reconcilers = Reconcilers(self.reconciling, self.numbers, story.numbers)
        self.replicas = [
            SimReplica(
                f"r{index}",
                loop,
                rules,
                self.vapi,
                POLICIES,
                folder / f"r{index}",
                random.Random(chance.random()),
                story.watched,
                reconcilers,
            )
            for index in range(story.replicas)
        ]
        owners = {
            entry.phone_numbers[0].vapi_phone_number_id: entry.organization.id
            for entry in story.entries
        }
        self.callers = Callers(loop, chance, self.vapi, self.replicas, trace, owners)
        self.troubles = Troubles(
            loop, self.replicas, self.tables, self.vapi, self.numbers, self.wake_changed, trace
        )
        self.tasks: list[asyncio.Task[None]] = []
        self.past = [(loop.virtual, entry.organization) for entry in story.entries]

    async def run(self) -> Outcome:
        """Let everything happen, from the start of the replicas to the end of the seed."""
        self.acts.plan()
        for replica in self.replicas:
            replica.start()
        for call in self.story.calls:
            self.tasks.append(self.loop.create_task(self.callers.run(call)))
        for change in self.story.changes:
            self.loop.call_at(
                change.moment, self.change_access, change.organization_id, change.access
            )
        for fault in self.story.faults:
            self.tasks.append(self.loop.create_task(self.troubles.run(fault)))
        await asyncio.sleep(CALM - self.loop.time())
        self.troubles.heal()
        outcome = self.outcome()
        for moment in LOOKS:
            await asyncio.sleep(moment - self.loop.time())
            if moment == LOOKS[0]:
                await self.callers.probe()
            outcome = self.outcome()
            if not self.check(outcome):
                break
        return outcome

    def check(self, outcome: Outcome) -> list[str]:
        """Every violation now."""
        lives = [life.name for replica in self.replicas for life in replica.buried]
        found = [line for line in self.trace.lines if "background.died" in line][:1]
        found += check(outcome) + check_contested(outcome)
        return found + check_numbers(outcome, self.numbers, len(lives))

    def wake_changed(self, lost: timedelta) -> None:
        """A failover loses no change of access, so neither what its commit woke; others are repeated."""
        since = self.loop.time() - lost.total_seconds()
        self.acts.repeat(since)
        for moment, organization in self.past:
            if moment > since:
                self.reconciling.wake_watched(organization.id)

    def outcome(self) -> Outcome:
        """The state now."""
        return Outcome(
            self.story,
            self.tables,
            self.vapi,
            self.callers,
            tuple(self.past),
            self.troubles.harmed,
        )

    def change_access(self, organization_id: object, access: object) -> None:
        """An admin's change: the row, and the notification of its commit."""
        entry = self.tables.entries[organization_id]  # type: ignore[index]
        moment = self.loop.time()
        organization = with_access(entry.organization, access, moment)  # type: ignore[arg-type]
        changes = changes_between(entry.organization, organization, self.tables.now())
        fresh = replace(entry, organization=organization, changes=entry.changes + changes)
        self.past.append((moment, organization))
        self.tables.entries[organization.id] = fresh
        self.reconciling.wake_watched(organization.id)
        self.trace.note("admin.changed", organization=organization.name, access=access)
        self.tables.notify(f"{DIRECTORY}{organization.id}")

    def close(self) -> None:
        """Stop everything, as far as it still runs."""
        self.loop.close_tasks(life for replica in self.replicas for life in replica.buried)
        for replica in self.replicas:
            replica.close()
