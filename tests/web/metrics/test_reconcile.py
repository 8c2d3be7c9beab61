"""Metrics of sweeps, between two readings of PostgreSQL."""

import asyncio
import math
from typing import cast

from service.reconcile.metrics import ReconcileMetrics
from service.store.pool import Pool
from service.web.metrics.reconcile import ReconcileCollector, Snapshot


def sweep_age(collector: ReconcileCollector) -> float:
    (family,) = (one for one in collector.collect() if one.name == "callgate_sweep_age_seconds")
    return float(family.samples[0].value)


async def test_a_sweep_grows_older_while_postgresql_is_away() -> None:
    collector = ReconcileCollector(cast("Pool", None), ReconcileMetrics(), "key")
    assert math.isnan(sweep_age(collector))
    collector.last = Snapshot(sweep_age=100.0)
    await asyncio.sleep(0.2)
    assert 100.2 <= sweep_age(collector) < 130.0
