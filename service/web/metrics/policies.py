"""Metrics of the policies, labelled by policy and by answer."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from service.access.policies.info import PolicyInfo


class PolicyCollector(Collector):
    """Read the counts of the policy chain at every scrape; `dropped` those of verdicts in shadow."""

    def __init__(
        self, describe: Callable[[], Sequence[PolicyInfo]], dropped: Callable[[], int]
    ) -> None:
        self.read = describe
        self.dropped = dropped

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        answers = CounterMetricFamily(
            "callgate_policy_answers", "Answers of policies.", labels=["policy", "answer"]
        )
        times = GaugeMetricFamily(
            "callgate_policy_seconds",
            "Seconds that the last answers of a policy took, by quantile.",
            labels=["policy", "quantile"],
        )
        suspended = GaugeMetricFamily(
            "callgate_policy_suspended",
            "1 while a policy is suspended because it keeps failing.",
            labels=["policy"],
        )
        stuck = GaugeMetricFamily(
            "callgate_policy_stuck",
            "Evaluations of a policy that go on past their deadline.",
            labels=["policy"],
        )
        waits = GaugeMetricFamily(
            "callgate_policy_wait_seconds",
            "Seconds that 95 % of the last evaluations of a policy waited at most for a free thread.",
            labels=["policy"],
        )
        for policy in self.read():
            health = policy.health
            for answer, count in (
                ("allow", health.allowed),
                ("deny", health.denied),
                ("abstain", health.abstained),
                ("failed", health.failed),
            ):
                answers.add_metric([policy.name, answer], count)
            for quantile, value in (("0.5", health.p50_ms), ("0.95", health.p95_ms)):
                if value is not None:
                    times.add_metric([policy.name, quantile], value / 1000)
            suspended.add_metric([policy.name], float(health.suspended))
            stuck.add_metric([policy.name], health.stuck)
            if health.waited_p95_ms is not None:
                waits.add_metric([policy.name], health.waited_p95_ms / 1000)
        dropped = GaugeMetricFamily(
            "callgate_shadow_verdicts_dropped",
            "Verdicts of policies in shadow that were not asked for or not written, since the start.",
            value=self.dropped(),
        )
        yield from (answers, times, suspended, stuck, waits, dropped)
