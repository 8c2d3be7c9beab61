"""Metrics of limits on calls under way."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.access.limits.memory import LimitMemory


class LimitCollector(Collector):
    """Read the slots at every scrape."""

    def __init__(self, memory: LimitMemory) -> None:
        self.memory = memory

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        slots = GaugeMetricFamily(
            "callgate_limit_slots_in_use",
            "Slots of limits that calls under way hold, as last read.",
        )
        calls = CounterMetricFamily(
            "callgate_limited_calls",
            "Calls that wanted slots of limits, by result and by what decided.",
            labels=["result", "basis"],
        )
        slots.add_metric([], sum(self.memory.counts.values()))
        for (result, basis), count in self.memory.outcomes.items():
            calls.add_metric([result, basis], count)
        yield from (slots, calls)
