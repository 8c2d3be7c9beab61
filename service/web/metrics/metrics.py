"""Prometheus metrics. Labels have few, fixed values: never an organization, a number or a call."""

import hmac
import time
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from service.vapi.message_types import KNOWN_TYPES
from service.web.kept import Kept
from service.web.metrics.workers import WorkerMetrics
from service.web.problems import problem

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5)


class Metrics:
    """One registry per service, so that two services in a process (tests) do not mix."""

    def __init__(self, token: str = "") -> None:
        self.token = token
        self.exposition = Kept(self.expose)
        self.registry = CollectorRegistry()
        self.connections = Gauge(
            "callgate_connections",
            "Open connections, by whether a webhook with the right secret came over them.",
            ["kind"],
            registry=self.registry,
        )
        self.webhooks = Counter(
            "callgate_webhook_messages",
            "Messages from Vapi, by type and status of the reply.",
            ["type", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "callgate_webhook_seconds",
            "Seconds from the arrival of a message to its reply.",
            ["type"],
            buckets=BUCKETS,
            registry=self.registry,
        )

        self.bound: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self.campaigns = Counter(
            "callgate_campaign_answers",
            "Answers to campaigns that ask before they dial.",
            ["eligible"],
            registry=self.registry,
        )

    def share(self, socket: Path) -> WorkerMetrics:
        """Show the metrics of all workers of this port on one page, and give them those of this one."""
        beside = WorkerMetrics(socket, self.exposition.get)
        self.exposition = Kept(beside.gather)
        return beside

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read at every scrape."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def add(self, collector: Collector) -> None:
        """Add the collector of another part."""
        self.registry.register(collector)

    def webhook(self, message_type: str, status: int, began: float) -> None:
        """Count a reply. Unknown types share one label."""
        bound = self.bound.get((message_type, status)) or self.bind(message_type, status)
        counted, timed = bound
        counted.inc()
        timed.observe(time.perf_counter() - began)

    def bind(self, message_type: str, status: int) -> tuple[Counter, Histogram]:
        """The counter and the times of a kind of reply. Looking up labels takes longer than counting,
        so those of Vapi's own types are kept."""
        kind = message_type.partition("[")[0]
        label = kind if kind in KNOWN_TYPES or kind == "none" else "other"
        bound = self.webhooks.labels(label, str(status)), self.seconds.labels(label)
        if label == message_type:
            self.bound[message_type, status] = bound
        return bound

    def campaign(self, *, eligible: bool) -> None:
        """Count an answer to a campaign. There is no call yet."""
        self.campaigns.labels("true" if eligible else "false").inc()

    def add_connections(self, kind: str, read: Callable[[], float]) -> None:
        """A figure of open connections, by whether they have proved themselves."""
        self.connections.labels(kind).set_function(read)

    async def get(self, request: web.Request) -> web.Response:
        """GET /metrics. Without the token, where one is set, 401."""
        if self.token and not self.may_read(request):
            response = problem(401, "unauthorized", "Send the metrics token as a bearer token.")
            response.headers["WWW-Authenticate"] = 'Bearer realm="callgate metrics"'
            return response
        return web.Response(
            body=await self.exposition.get(), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    def may_read(self, request: web.Request) -> bool:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(
            given.strip().encode("utf-8", "surrogateescape"), self.token.encode()
        )
        return right and scheme.lower() == "bearer"

    async def expose(self) -> bytes:
        return generate_latest(self.registry)
