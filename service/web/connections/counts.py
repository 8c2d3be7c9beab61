"""What the doors turned away, as Prometheus collects it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

REFUSED = ("total", "address", "files")
SHED = ("idle", "header_timeout", "body_timeout", "stuck", "room")
BUSY = ("body_budget",)


@dataclass(slots=True, eq=False)
class DoorCounts(Collector):
    """Counts since the start. `refused` connections were never served, `shed` ones were closed,
    `busy` requests were answered 503."""

    refused: Counter[str] = field(default_factory=Counter)
    shed: Counter[str] = field(default_factory=Counter)
    busy: Counter[str] = field(default_factory=Counter)

    def collect(self) -> Iterator[Metric]:
        for name, text, counted, reasons in (
            (
                "callgate_connections_refused",
                "Connections that were refused at once, by reason.",
                self.refused,
                REFUSED,
            ),
            (
                "callgate_connections_shed",
                "Unproved connections that were closed, by reason.",
                self.shed,
                SHED,
            ),
            (
                "callgate_requests_shed",
                "Requests that were answered 503 to protect others, by reason.",
                self.busy,
                BUSY,
            ),
        ):
            family = CounterMetricFamily(name, text, labels=["reason"])
            for reason in reasons:
                family.add_metric([reason], counted[reason])
            yield family
