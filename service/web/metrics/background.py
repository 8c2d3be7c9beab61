"""Metrics of the background loops, by loop: a fixed and short list."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.background import LoopState


class BackgroundCollector(Collector):
    """Read the states of the loops at every scrape."""

    def __init__(self, read: Callable[[], Sequence[LoopState]]) -> None:
        self.read = read

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        up = GaugeMetricFamily(
            "callgate_background_loop_up", "1 while a background loop works.", labels=["loop"]
        )
        restarts = CounterMetricFamily(
            "callgate_background_loop_restarts",
            "Restarts of a background loop after an error.",
            labels=["loop"],
        )
        for loop in self.read():
            up.add_metric([loop.name], float(loop.status == "running"))
            restarts.add_metric([loop.name], loop.restarts)
        yield from (up, restarts)
