"""An audit entry or another event of a timeline, as pages print it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from service.admin.timeline import TimelineEvent
from service.domain.audit import page_of
from service.domain.phone_numbers import FieldDrift
from service.domain.wording.labels import Tone, label_slug
from service.web.panel.kit.visit import ROOT, Visit


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
        ", ".join(label_slug(reason) for reason in day.reasons) if day else "",
        event.description.changes,
        f"{ROOT}/undo/{entry.id}" if entry and may_undo else "",
        (entry.undone_by or 0) if entry else 0,
    )


def object_view(event: TimelineEvent) -> ObjectView:
    """The object that a change is about."""
    assert event.entry is not None
    page = page_of(event.entry)
    return ObjectView(
        label_slug(event.entry.object_type),
        event.description.subject,
        f"{ROOT}/{page}" if page else "",
    )
