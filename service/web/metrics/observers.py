"""Metrics of the plugins that observe calls, by observer."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.access.observers.call_observer import ObserverHealth


class ObserverCollector(Collector):
    """Read the counts of the observers at every scrape."""

    def __init__(self, describe: Callable[[], Sequence[ObserverHealth]]) -> None:
        self.read = describe

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        events = CounterMetricFamily(
            "callgate_observer_events",
            "Events of calls for observers of plugins, by outcome.",
            labels=["observer", "outcome"],
        )
        waiting = GaugeMetricFamily(
            "callgate_observer_waiting", "Events that wait for an observer.", labels=["observer"]
        )
        busy = GaugeMetricFamily(
            "callgate_observer_busy_seconds",
            "Seconds that an observer has had its present event.",
            labels=["observer"],
        )
        for one in self.read():
            for outcome, count in (
                ("observed", one.observed),
                ("failed", one.failed),
                ("dropped", one.dropped),
            ):
                events.add_metric([one.name, outcome], count)
            waiting.add_metric([one.name], one.waiting)
            busy.add_metric([one.name], one.busy_seconds)
        yield from (events, waiting, busy)
