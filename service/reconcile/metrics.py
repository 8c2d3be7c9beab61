"""What this replica's reconciler has done since it started, for the metrics."""

from collections import Counter
from dataclasses import dataclass, field

from service.domain.phone_numbers import SyncLevel
from service.store.reconcile.claims import PassResult


@dataclass(slots=True)
class ReconcileMetrics:
    """Counts of repairs by level and of failures by kind."""

    repairs: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def repaired(self, level: SyncLevel) -> None:
        """A change of ours was seen at Vapi."""
        self.repairs[level] += 1

    def note(self, finding: PassResult) -> None:
        """A pass is over."""
        if finding.problem is not None:
            self.failures[finding.problem] += 1
