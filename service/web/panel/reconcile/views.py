"""The views of the pages on reconciling. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.admin.reconcile.sweeps import ReconcileStatus
from service.domain.phone_numbers import FieldDrift
from service.domain.sweeps import MissingNumber, Repair, SweepReport
from service.domain.wording.labels import label_slug
from service.domain.wording.sweeps import describe_checked
from service.store.reconcile.sweeps import Sweep
from service.web.panel.kit.badges import Badge, state_badge
from service.web.panel.kit.visit import ROOT

SHOWN_REPAIRS = 200
SHOWN_RELEASING = 20
OPEN_REPAIRS = 5
"""Up to this many repairs are shown unfolded."""


@dataclass(frozen=True, slots=True)
class ReconcileStateCard:
    """How many numbers have a state."""

    badge: Badge
    count: int
    address: str


@dataclass(frozen=True, slots=True)
class StatusView:
    """The state of all webhooks. `busy`: this replica is repairing for a page. `releasing` are the first
    numbers that are being released, by name."""

    status: ReconcileStatus
    busy: bool
    releasing: Sequence[str] = ()

    @property
    def refresh(self) -> bool:
        """Whether the page fetches this part again after a moment."""
        return self.busy or bool(self.status.numbers.get("pending"))

    @property
    def cards(self) -> list[ReconcileStateCard]:
        return [
            ReconcileStateCard(state_badge(state), count, f"{ROOT}/numbers?sync_state={state}")
            for state, count in self.status.numbers.items()
            if count
        ]

    @property
    def held_text(self) -> str:
        """Why the last sweep stopped; "" if it did not."""
        held = self.status.held
        if held is None:
            return ""
        return (
            f"The last sweep stopped: it would change {held.get('to_repair', 'many')} numbers, "
            f"more than the {held.get('limit', 'few')} that a sweep may change without approval. "
            "Start a dry run, check its result and apply it if it is right."
        )

    @property
    def releasing_text(self) -> str:
        """How many numbers are being released, and which."""
        if not self.status.releasing:
            return "0"
        further = self.status.releasing - len(self.releasing)
        more = f", and {further:,} more" if further > 0 else ""
        return f"{self.status.releasing:,}: {', '.join(self.releasing)}{more}"

    @property
    def mode(self) -> str:
        if self.status.mode == "enforce":
            return "Auto-repair on"
        return "Report only (CALLGATE_RECONCILE_MODE is observe)"

    @property
    def last_sweep(self) -> "SweepView | None":
        return sweep_view(self.status.last_sweep) if self.status.last_sweep else None


@dataclass(frozen=True, slots=True)
class SweepView:
    """A sweep in a line."""

    at: datetime
    text: str


def sweep_view(sweep: Sweep) -> SweepView:
    outcome = "dry run" if sweep.dry_run else label_slug(sweep.outcome).lower()
    error = f": {sweep.error}" if sweep.error else ""
    missing = sweep.figures.get("missing")
    gone = f"; missing at Vapi: {missing}" if missing else ""
    text = f"{outcome}, by {sweep.started_by}{error}{gone}"
    return SweepView(sweep.finished_at or sweep.started_at, text)


@dataclass(frozen=True, slots=True)
class RepairRow:
    """A number and its drift."""

    name: str
    address: str
    fields: str
    changes: Sequence[FieldDrift]


@dataclass(frozen=True, slots=True)
class DryRunView:
    """The result of a dry run. `names` are those of the numbers by their ids."""

    report: SweepReport
    names: Mapping[str, str]

    @property
    def summary(self) -> str:
        text = f"{describe_checked(self.report)} Nothing was changed."
        return f"{text} {self.report.caveat}".rstrip()

    @property
    def button(self) -> str:
        """The text of the button that applies the repairs; "" if there are none."""
        repairs = self.report.repairs
        return f"Repair {counted(len(repairs), 'number')}" if repairs else ""

    @property
    def warning(self) -> str:
        """A warning before applying the repairs; "" if there is none."""
        if len(self.report.repairs) <= self.report.limit:
            return ""
        return (
            f"These are more than the {self.report.limit} numbers that a sweep may change without "
            "approval. Nothing changes until an admin applies them here."
        )

    @property
    def in_sync(self) -> bool:
        report = self.report
        return not (report.repairs or report.left or report.missing or report.caveat)

    @property
    def missing(self) -> Sequence[MissingNumber]:
        return self.report.missing_numbers[:SHOWN_REPAIRS]

    @property
    def more_missing(self) -> bool:
        return self.report.missing > len(self.missing)

    @property
    def fields(self) -> str:
        """The fields that differ, with their numbers; the most frequent first."""
        found: dict[str, int] = {}
        for repair in self.report.repairs:
            for change in repair.changes:
                found[change.field] = found.get(change.field, 0) + 1
        ranked = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
        return ", ".join(f"{name} on {counted(count, 'number')}" for name, count in ranked)

    @property
    def repairs(self) -> list[RepairRow]:
        return [self.row(repair) for repair in self.report.repairs[:SHOWN_REPAIRS]]

    @property
    def left(self) -> list[RepairRow]:
        return [self.row(repair) for repair in self.report.left[:SHOWN_REPAIRS]]

    @property
    def open(self) -> bool:
        return len(self.report.repairs) <= OPEN_REPAIRS

    @property
    def further(self) -> str:
        return describe_further(self.report.repairs)

    @property
    def further_left(self) -> str:
        return describe_further(self.report.left)

    def row(self, repair: Repair) -> RepairRow:
        number: UUID = repair.phone_number_id
        return RepairRow(
            self.names.get(str(number), str(number)),
            f"{ROOT}/numbers/{number}",
            ", ".join(change.field for change in repair.changes),
            repair.changes,
        )


def describe_further(repairs: Sequence[Repair]) -> str:
    """How many of these numbers are not shown; "" if all are."""
    hidden = len(repairs) - SHOWN_REPAIRS
    return f"{counted(hidden, 'more number')} not shown." if hidden > 0 else ""


def counted(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
