"""Metrics of the conditions, by kind and severity: a fixed list."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.domain.conditions import CONDITIONS, Condition


class ConditionMetrics(Collector):
    """Reads the last known conditions at every scrape."""

    def __init__(self, read: Callable[[], Sequence[Condition]]) -> None:
        self.read = read

    def collect(self) -> Iterator[Metric]:
        """The family, for the registry; kinds that only the doctor finds are left out."""
        held = Counter(found.kind for found in self.read())
        family = GaugeMetricFamily(
            "callgate_condition", "1 while a condition exists.", labels=["kind", "severity"]
        )
        for kind in CONDITIONS.values():
            if not kind.doctor_only:
                family.add_metric([kind.slug, kind.severity], float(held[kind.slug] > 0))
        yield family
