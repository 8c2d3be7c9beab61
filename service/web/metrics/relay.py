"""Metrics of the relay, without any organization: its page and the log name it."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.relay.delivery import Relay
from service.relay.report import DROP_REASONS, UNANSWERED_REASONS


class RelayCollector(Collector):
    """Read the relay's counts at every scrape."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay.servers
        self.spool = relay.lasting.spool
        self.sweep = relay.sweep

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        yield self.deliveries()
        yield self.drops()
        yield self.answers()
        for name, text, value in (
            ("waiting", "Messages that wait for servers of organizations.", self.relay.waiting),
            (
                "kept",
                "Lasting messages in PostgreSQL that wait for servers, as of the last sweep.",
                self.sweep.waiting,
            ),
            (
                "spooled",
                "Lasting messages that wait on disk for PostgreSQL.",
                self.spool.on_disk,
            ),
            (
                "held_bytes",
                "Bytes of messages that wait for servers of organizations, or are under way.",
                self.relay.held_bytes,
            ),
            (
                "failing_servers",
                "Servers of organizations that do not take their messages.",
                len(self.relay.failing()),
            ),
        ):
            yield GaugeMetricFamily(f"callgate_relay_{name}", text, value)

    def deliveries(self) -> Metric:
        report = self.relay.report
        family = CounterMetricFamily(
            "callgate_relay_deliveries", "Attempts to deliver a message.", labels=["outcome"]
        )
        family.add_metric(["delivered"], report.delivered)
        family.add_metric(["failed"], report.failed)
        return family

    def drops(self) -> Metric:
        family = CounterMetricFamily(
            "callgate_relay_dropped",
            "Messages that will not be delivered.",
            labels=["kind", "reason"],
        )
        for kind, is_lasting in (("passing", False), ("lasting", True)):
            for reason in DROP_REASONS:
                count = self.relay.report.dropped[is_lasting, reason]
                family.add_metric([kind, reason], count)
        return family

    def answers(self) -> Metric:
        report = self.relay.report
        family = CounterMetricFamily(
            "callgate_relay_answers", "Requests of Vapi that were relayed.", labels=["outcome"]
        )
        family.add_metric(["answered"], report.answered)
        for reason in UNANSWERED_REASONS:
            family.add_metric([reason], report.unanswered[reason])
        return family
