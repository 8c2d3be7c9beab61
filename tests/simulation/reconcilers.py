"""The reconciler of one simulated replica: the real parts over the models of PostgreSQL and Vapi."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from service.background import BackgroundLoop
from service.reconcile.build import build_reconciling
from service.reconcile.probe import VapiProbe
from service.reconcile.sweep_loop import SweepLoop
from service.settings import Settings
from service.store.reconcile.request_budget import Budget
from tests.simulation.links import Link
from tests.simulation.number_pool import ModelPool, ModelReconcileLoop
from tests.simulation.number_story import NumberStory
from tests.simulation.stores import ModelStandings
from tests.simulation.sweep_rules import ReconcileRules
from tests.simulation.vapi_numbers import NumberClient, VapiNumbers
from tests.simulation.whose import OURS
from tests.support.settings import settings_for


@lru_cache
def settings() -> Settings:
    """The settings of every replica of every seed."""
    return settings_for(Path("/nonexistent"), "https://vapi", vapi_webhook_url=OURS)


@dataclass(frozen=True, slots=True)
class Reconcilers:
    """What the reconcilers of all replicas share: the models, and the settings of the seed."""

    rules: ReconcileRules
    numbers: VapiNumbers
    story: NumberStory

    def build(
        self, standings: ModelStandings, pooled: Link, listening: Link
    ) -> list[BackgroundLoop]:
        """The loops of `service.reconcile.build.build_loops`, over the links of a replica.

        Sealing anew is left out: no key changes.
        """
        pool: Any = ModelPool(self.rules, pooled)
        client = NumberClient(self.numbers, Budget(pool, self.story.rate))
        parts = build_reconciling(settings(), pool, client, standings)
        sweeps = SweepLoop(pool, parts.sweeper, parts.key, self.story.sweep_seconds)
        due = ModelReconcileLoop("", pool, parts.reconciler, parts.key, sweeps)
        due.rules, due.link = self.rules, listening
        probe = VapiProbe(client, parts.key)
        return [due.background(), *sweeps.background(), probe.background()]
