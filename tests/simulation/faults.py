"""Brings the planned faults about, and heals them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from tests.simulation.links import Link
from tests.simulation.loop import VirtualLoop
from tests.simulation.replica import SimReplica
from tests.simulation.story import PlannedFault
from tests.simulation.tables import Tables
from tests.simulation.trace import Trace
from tests.simulation.vapi_model import VapiModel
from tests.simulation.vapi_numbers import VapiNumbers

LOST = timedelta(seconds=1.5)
"""How much a failover to a lagging standby loses."""


@dataclass(eq=False)
class Troubles:
    """Faults under way. `harmed` says when a failover last lost commits on a call or a number."""

    loop: VirtualLoop
    replicas: list[SimReplica]
    tables: Tables
    vapi: VapiModel
    numbers: VapiNumbers
    wake: Callable[[timedelta], None]
    trace: Trace
    harmed: dict[str, float] = field(default_factory=dict)

    async def run(self, fault: PlannedFault) -> None:
        """One fault from its beginning to its end."""
        await asyncio.sleep(fault.moment - self.loop.time())
        where = "all" if fault.replica is None else f"r{fault.replica}"
        self.trace.note(f"fault.{fault.name}", at=where, links=",".join(fault.links))
        self.begin(fault)
        await asyncio.sleep(fault.lasts)
        self.trace.note(f"fault.{fault.name}.over", at=where)
        self.end(fault)

    def links_of(self, fault: PlannedFault) -> list[Link]:
        replicas = self.replicas if fault.replica is None else [self.replicas[fault.replica]]
        names = ("pool", "feed", "worker") if self.is_failover(fault) else fault.links
        return [replica.links[name] for replica in replicas for name in names]

    def is_failover(self, fault: PlannedFault) -> bool:
        return fault.name in ("failover", "lost_commits")

    def begin(self, fault: PlannedFault) -> None:
        """Break what the fault breaks."""
        match fault.name:
            case "cut":
                for link in self.links_of(fault):
                    link.cut()
            case "refuse" | "worker_lost" | "feed_lost":
                for link in self.links_of(fault):
                    link.set_mode("refused")
            case "stall":
                for link in self.links_of(fault):
                    link.set_mode("stalled")
            case "half_open":
                for link in self.links_of(fault):
                    link.break_open()
            case "slow":
                for link in self.links_of(fault):
                    link.latency = (0.1, 0.3)
            case "failover" | "lost_commits":
                self.fail_over(lose=fault.name == "lost_commits")
            case "crash":
                self.replicas[fault.replica or 0].kill()
            case "freeze":
                self.replicas[fault.replica or 0].freeze()
            case "vapi_down":
                self.vapi.down = True
            case "control_down":
                self.vapi.control_down = True
            case "vapi_throttles" | "vapi_errors" | "vapi_loses" | "vapi_slow":
                self.numbers.faults.add(fault.name)

    def fail_over(self, *, lose: bool) -> None:
        """Every connection breaks, and the last commits may be gone."""
        for replica in self.replicas:
            for link in replica.links.values():
                link.set_mode("refused")
        if lose:
            self.harmed |= dict.fromkeys(self.tables.roll_back(LOST), self.loop.time())
            self.wake(LOST)

    def end(self, fault: PlannedFault) -> None:
        """Heal what this fault broke, even if another one broke it as well."""
        match fault.name:
            case "crash":
                replica = self.replicas[fault.replica or 0]
                if replica.parts is None:
                    replica.start()
            case "freeze":
                self.replicas[fault.replica or 0].thaw()
            case "vapi_throttles" | "vapi_errors" | "vapi_loses" | "vapi_slow":
                self.numbers.faults.discard(fault.name)
            case "vapi_down":
                self.vapi.down = False
            case "control_down":
                self.vapi.control_down = False
            case "failover" | "lost_commits":
                for replica in self.replicas:
                    for link in replica.links.values():
                        link.heal()
            case _:
                for link in self.links_of(fault):
                    link.heal()

    def heal(self) -> None:
        """End every fault."""
        self.vapi.down = self.vapi.control_down = False
        self.numbers.faults.clear()
        for replica in self.replicas:
            replica.thaw()
            for link in replica.links.values():
                link.heal()
            if replica.parts is None:
                replica.start()
        self.trace.note("calm")
