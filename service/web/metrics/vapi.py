"""Metrics of this replica's requests to Vapi's API."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.vapi.reach import VapiReach


class VapiCollector(Collector):
    """Read the counts at every scrape."""

    def __init__(self, reach: VapiReach) -> None:
        self.reach = reach

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        requests = CounterMetricFamily(
            "callgate_vapi_requests",
            "Requests to Vapi's API, by kind of work and outcome.",
            labels=["kind", "outcome"],
        )
        for labels, count in sorted(self.reach.requests.items()):
            requests.add_metric(list(labels), count)
        yield requests
        yield GaugeMetricFamily(
            "callgate_vapi_unreachable_seconds",
            "For how long Vapi has not answered this replica; 0 while it does.",
            value=self.reach.away_seconds,
        )
