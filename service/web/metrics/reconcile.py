"""Figures that a part keeps itself and the metrics only show, read when somebody looks.

What stands in PostgreSQL is read beforehand, every few seconds, so that a scrape waits for nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.background import BackgroundLoop
from service.domain.phone_numbers import SyncState
from service.reconcile.metrics import ReconcileMetrics
from service.store.calls import search
from service.store.pool import UNAVAILABLE, Pool
from service.store.reconcile import state as reconciliation
from service.store.reconcile import states as webhook_states
from service.store.reconcile import sweeps

EVERY_SECONDS = 5.0


@dataclass(slots=True)
class Snapshot:
    """The last reading; NaN where there is nothing to read yet."""

    states: dict[str, int] = field(default_factory=dict)
    fights: int = 0
    sweep_age: float = float("nan")
    sweep_seconds: float = float("nan")
    held: bool = False
    paused: bool = False
    key_refused: bool = False
    lived: list[tuple[str, float, float]] = field(default_factory=list)


class ReconcileFigures(Collector):
    """Metrics of the webhooks, the sweeps and the repairs."""

    def __init__(self, pool: Pool, tally: ReconcileMetrics, key: str) -> None:
        self.pool = pool
        self.tally = tally
        self.key = key
        self.last = Snapshot()

    def background(self) -> BackgroundLoop:
        """Reads the figures every few seconds; during an outage the last reading stands."""
        return BackgroundLoop("figures", self.refresh, interval=EVERY_SECONDS, outages=UNAVAILABLE)

    async def refresh(self) -> None:
        """Read the figures."""
        self.last = await self.read()

    async def read(self) -> Snapshot:
        """How things stand now."""
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
        found.lived = await search.list_blocked_seconds(self.pool)
        if sweep is not None:
            found.sweep_age, found.sweep_seconds = sweep.age, sweep.seconds
        return found

    def collect(self) -> Iterator[Metric]:
        """The families, for the registry."""
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
            ("callgate_webhook_repairs", "Repairs at Vapi.", self.tally.repairs, "level"),
            ("callgate_webhook_failures", "Passes that failed.", self.tally.failures, "kind"),
        ):
            family = CounterMetricFamily(name, text, labels=[label])
            for key, count in sorted(counts.items()):
                family.add_metric([key], count)
            yield family
        lived = GaugeMetricFamily(
            "callgate_blocked_call_seconds",
            "How long blocked calls of the last hour were on the line, by gate and quantile.",
            labels=["gate", "quantile"],
        )
        for gate, median, most in last.lived:
            lived.add_metric([gate, "0.5"], median)
            lived.add_metric([gate, "1"], most)
        yield lived
        for name, text, value in (
            ("callgate_webhook_fights", "Numbers left alone in a fight.", last.fights),
            ("callgate_sweep_age_seconds", "Since the last full sweep.", last.sweep_age),
            ("callgate_sweep_seconds", "What the last full sweep took.", last.sweep_seconds),
            ("callgate_sweep_held", "1 while a sweep asks before it goes on.", last.held),
            ("callgate_reconcile_paused", "1 while all repairs are paused.", last.paused),
            ("callgate_vapi_key_refused", "1 while Vapi refuses our key.", last.key_refused),
        ):
            yield GaugeMetricFamily(name, text, value=float(value))
