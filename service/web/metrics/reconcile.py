"""Metrics of webhooks, sweeps and repairs.

A loop reads PostgreSQL every few seconds, so that a scrape never waits for the database.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.background import BackgroundLoop
from service.domain.phone_numbers import SyncState
from service.reconcile.metrics import ReconcileMetrics
from service.store.calls import metrics
from service.store.pool import UNAVAILABLE, Pool
from service.store.reconcile import state as reconciliation
from service.store.reconcile import states as webhook_states
from service.store.reconcile import sweeps

EVERY_SECONDS = 5.0


@dataclass(slots=True)
class Snapshot:
    """The last reading; NaN where there is none yet. `read_at` is monotonic."""

    states: dict[str, int] = field(default_factory=dict)
    fights: int = 0
    sweep_age: float = float("nan")
    sweep_seconds: float = float("nan")
    held: bool = False
    paused: bool = False
    key_refused: bool = False
    lived: list[tuple[str, float, float]] = field(default_factory=list)
    read_at: float = field(default_factory=time.monotonic)

    @property
    def sweep_age_now(self) -> float:
        """The sweep goes on growing older where no reading follows."""
        return self.sweep_age + time.monotonic() - self.read_at


class ReconcileCollector(Collector):
    """Metrics of the webhooks, the sweeps and the repairs."""

    def __init__(self, pool: Pool, counts: ReconcileMetrics, key: str) -> None:
        self.pool = pool
        self.counts = counts
        self.key = key
        self.last = Snapshot()

    def background(self) -> BackgroundLoop:
        """The loop that reads PostgreSQL. During an outage the last reading stays."""
        return BackgroundLoop("metrics", self.refresh, interval=EVERY_SECONDS, outages=UNAVAILABLE)

    async def refresh(self) -> None:
        """Replace the last reading."""
        self.last = await self.read()

    async def read(self) -> Snapshot:
        """Read the present state."""
        row = await reconciliation.get(self.pool)
        sweep = await sweeps.find_last_full(self.pool)
        fights, _ = await webhook_states.count_special(self.pool)
        found = Snapshot(
            states=await webhook_states.count_by_state(self.pool),
            fights=fights,
            held=row.held is not None,
            paused=row.pause is not None,
            key_refused=row.key_refused_at is not None and row.key_fingerprint == self.key,
        )
        found.lived = await metrics.list_blocked_seconds(self.pool)
        if sweep is not None:
            found.sweep_age, found.sweep_seconds = sweep.age, sweep.seconds
        return found

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        last = self.last
        states = GaugeMetricFamily(
            "callgate_webhooks",
            "Registered numbers by the state of their webhook.",
            labels=["state"],
        )
        for state in SyncState:
            states.add_metric([state.value], last.states.get(state.value, 0))
        yield states
        for name, text, counts, label in (
            ("callgate_webhook_repairs", "Repairs at Vapi.", self.counts.repairs, "level"),
            (
                "callgate_webhook_failures",
                "Failed passes over a number.",
                self.counts.failures,
                "kind",
            ),
        ):
            family = CounterMetricFamily(name, text, labels=[label])
            for key, count in sorted(counts.items()):
                family.add_metric([key], count)
            yield family
        lived = GaugeMetricFamily(
            "callgate_blocked_call_seconds",
            "Seconds that blocked calls of the last hour lasted, by gate and quantile.",
            labels=["gate", "quantile"],
        )
        for gate, median, most in last.lived:
            lived.add_metric([gate, "0.5"], median)
            lived.add_metric([gate, "1"], most)
        yield lived
        for name, text, value in (
            (
                "callgate_webhook_fights",
                "Numbers that another system keeps resetting.",
                last.fights,
            ),
            (
                "callgate_sweep_age_seconds",
                "Seconds since the last full sweep.",
                last.sweep_age_now,
            ),
            (
                "callgate_sweep_seconds",
                "Seconds that the last full sweep took.",
                last.sweep_seconds,
            ),
            ("callgate_sweep_held", "1 while a sweep waits for approval.", last.held),
            ("callgate_reconcile_paused", "1 while all repairs are paused.", last.paused),
            ("callgate_vapi_key_refused", "1 while Vapi refuses VAPI_API_KEY.", last.key_refused),
        ):
            yield GaugeMetricFamily(name, text, value=float(value))
