"""Counters of this replica's reconciler since it started.."""

from collections import Counter
from dataclasses import dataclass, field

from service.domain.phone_numbers import SyncLevel
from service.domain.reconcile import PassResult


@dataclass(slots=True)
class ReconcileMetrics:
    """Counts of repairs by level and of failures by kind."""

    repairs: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def count_repair(self, level: SyncLevel) -> None:
        """Count a change that Vapi was seen to have."""
        self.repairs[level] += 1

    def count_result(self, result: PassResult) -> None:
        """Count the failure that a pass ended with."""
        if result.problem is not None:
            self.failures[result.problem] += 1
