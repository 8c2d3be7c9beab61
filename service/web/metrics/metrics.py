"""Prometheus metrics. Labels are few and closed: never an organization, a number or a call."""

import time
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from service.vapi.message_types import KNOWN_TYPES

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5)


class Metrics:
    """One registry a service, so that two in one process (tests) do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.webhooks = Counter(
            "callgate_webhook_messages",
            "Messages from Vapi by type and status of the reply.",
            ["type", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "callgate_webhook_seconds",
            "Time from a message's arrival to its reply.",
            ["type"],
            buckets=BUCKETS,
            registry=self.registry,
        )

        self.campaigns = Counter(
            "callgate_campaign_answers",
            "Answers to campaigns that ask before they dial.",
            ["eligible"],
            registry=self.registry,
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A figure that is read when somebody looks."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def add(self, collector: Collector) -> None:
        """Show what another part collects."""
        self.registry.register(collector)

    def webhook(self, message_type: str, status: int, began: float) -> None:
        """Count a reply; types that we do not know share one label."""
        kind = message_type.partition("[")[0]
        label = kind if kind in KNOWN_TYPES or kind == "none" else "other"
        self.webhooks.labels(label, str(status)).inc()
        self.seconds.labels(label).observe(time.perf_counter() - began)

    def campaign(self, *, eligible: bool) -> None:
        """Count an answer to a campaign: there is no call yet that could be counted."""
        self.campaigns.labels("true" if eligible else "false").inc()

    async def get(self, _request: web.Request) -> web.Response:
        """GET /metrics."""
        return web.Response(
            body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
