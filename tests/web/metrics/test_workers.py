"""The metrics of several workers on one page."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from service.web.metrics.metrics import Metrics
from service.web.metrics.workers import WorkerMetrics, merge

ODD = b"""# HELP callgate_policy_suspended A policy that keeps failing is suspended.
# TYPE callgate_policy_suspended gauge
callgate_policy_suspended{policy="a {b} c\\"d"} 1.0
# HELP callgate_spool_records Records.
# TYPE callgate_spool_records gauge
callgate_spool_records 3.0
"""


def values(page: bytes, name: str) -> dict[str, float]:
    """The value of a sample at each worker."""
    families = text_string_to_metric_families(page.decode())
    samples = [sample for family in families for sample in family.samples]
    return {one.labels["worker"]: one.value for one in samples if one.name == name}


def test_each_sample_has_its_worker_and_each_family_stands_once() -> None:
    page = merge({"1": ODD, "2": ODD.replace(b"3.0", b"4.0")})
    assert page.count(b"# TYPE callgate_spool_records gauge") == 1
    assert values(page, "callgate_spool_records") == {"1": 3.0, "2": 4.0}
    (family,) = [
        one
        for one in text_string_to_metric_families(page.decode())
        if one.name == "callgate_policy_suspended"
    ]
    assert [one.labels["policy"] for one in family.samples] == ['a {b} c"d'] * 2


async def test_whichever_worker_is_asked_shows_all_that_answer(tmp_path: Path) -> None:
    one, two = Metrics(), Metrics()
    shared = [metrics.share(tmp_path / str(number)) for number, metrics in ((1, one), (2, two))]
    for count, metrics in ((1, one), (2, two)):
        for _ in range(count):
            metrics.campaign(eligible=True)
    for place in shared:
        await place.start()
    try:
        for metrics in (one, two):
            page = await metrics.exposition.get()
            assert values(page, "callgate_campaign_answers_total") == {"1": 1.0, "2": 2.0}
        shared[1].stop()
        (tmp_path / "3").touch()  # what a killed worker leaves behind
        left = await WorkerMetrics(tmp_path / "1", shared[0].own).gather()
        assert values(left, "callgate_campaign_answers_total") == {"1": 1.0}
    finally:
        for place in shared:
            place.stop()
