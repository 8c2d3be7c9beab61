"""Lets the story of the numbers happen: admins register and release them, other tools change them."""

from dataclasses import dataclass, field
from uuid import UUID

from tests.simulation.loop import VirtualLoop
from tests.simulation.number_story import NumberStory, PlannedNumber
from tests.simulation.sweep_rules import ReconcileRules
from tests.simulation.trace import Trace
from tests.simulation.vapi_numbers import VapiNumbers


@dataclass(eq=False)
class NumberActs:
    """The admins and the other tools of one seed. `registered` and `released`: when each number last
    was, by admins who see what a failover lost, and may lose it to another one."""

    loop: VirtualLoop
    story: NumberStory
    rules: ReconcileRules
    numbers: VapiNumbers
    trace: Trace
    registered: dict[UUID, float] = field(default_factory=dict)
    released: dict[UUID, float] = field(default_factory=dict)

    def plan(self) -> None:
        """Put the numbers into Vapi, and set a timer for everything that happens."""
        for one in self.story.numbers:
            self.numbers.add(one.vapi_id, **one.at_vapi)
            if one.organization_id is not None:
                self.loop.call_at(one.registered_at, self.register, one)
                if one.released_at is not None:
                    self.loop.call_at(one.released_at, self.release, one)
        for write in self.story.writes:
            self.loop.call_at(
                write.moment, self.numbers.write_foreign, write.vapi_id, write.kind, write.value
            )

    def register(self, planned: PlannedNumber) -> None:
        """An admin registers a number."""
        assert planned.organization_id is not None
        given = planned.id, planned.organization_id, planned.vapi_id, planned.gate
        self.rules.register(*given)
        self.registered[planned.id] = self.loop.time()
        self.trace.note("admin.registered", number=planned.vapi_id)

    def release(self, planned: PlannedNumber) -> None:
        """An admin removes a number."""
        self.rules.release(planned.id)
        self.released[planned.id] = self.loop.time()
        self.trace.note("admin.released", number=planned.vapi_id)

    def repeat(self, since: float) -> None:
        """A failover lost what was committed since: the admins see it, and do it again."""
        for one in self.story.numbers:
            if since < self.registered.get(one.id, since) and one.id not in self.rules.numbers:
                self.register(one)
            if since < self.released.get(one.id, since):
                self.release(one)
