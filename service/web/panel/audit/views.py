"""An audit entry or another event of a timeline, as pages print it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from service.admin.timeline import TimelineEvent
from service.domain.audit import AuditEntry, page_of
from service.domain.phone_numbers import FieldDrift
from service.domain.wording.labels import Tone, label_slug
from service.web.panel.kit.visit import ROOT, Visit

WITH_ROWS = ("import.applied", "import.undone")


@dataclass(frozen=True, slots=True)
class EventView:
    """`id` is 0 for an event that is no change, `undo` "" where the visitor cannot undo it."""

    id: int
    at: datetime
    tone: Tone
    sentence: str
    actor: str
    source: str
    note: str
    changes: Sequence[FieldDrift]
    undo: str
    undone_by: int
    part_of: int
    rows: str
    """The address of the changes of an import's rows; "" for another change."""


@dataclass(frozen=True, slots=True)
class ObjectView:
    """The object of a change. `address` is "" if it has no page."""

    kind: str
    text: str
    address: str


def event_view(event: TimelineEvent, visit: Visit) -> EventView:
    """An event as a visitor sees it."""
    entry, day = event.entry, event.day
    may_undo = event.undo_needs is not None and visit.may(event.undo_needs)
    return EventView(
        entry.id if entry else 0,
        event.at,
        "bad" if day else "calm",
        event.description.sentence,
        entry.actor if entry else "",
        entry.source if entry else "",
        ", ".join(label_slug(reason) for reason in day.reasons) if day else part_note(entry),
        event.description.changes,
        f"{ROOT}/undo/{entry.id}" if entry and may_undo else "",
        (entry.undone_by or 0) if entry else 0,
        (entry.part_of or 0) if entry else 0,
        f"{ROOT}/audit?part_of={entry.id}" if entry and entry.action in WITH_ROWS else "",
    )


def part_note(entry: AuditEntry | None) -> str:
    """Which import made a change."""
    return f"by a row of change {entry.part_of}" if entry and entry.part_of else ""


def object_view(event: TimelineEvent) -> ObjectView:
    """The object that a change is about."""
    assert event.entry is not None
    page = page_of(event.entry)
    return ObjectView(
        label_slug(event.entry.object_type),
        event.description.subject,
        f"{ROOT}/{page}" if page else "",
    )
