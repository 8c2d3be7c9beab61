"""A registered phone number and the state of its webhook at Vapi."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

NumberGate = Literal["event", "request"]
SyncLevel = Literal["phone_number", "assistant"]
Cause = Literal[
    "added",
    "desired_changed",
    "access_changed",
    "drift",
    "secret_rotated",
    "released",
    "rolled_back",
]
"""Why something was changed at Vapi: `drift` is somebody else's change, the others are ours."""


class SyncState(StrEnum):
    """How the number's webhook at Vapi stands to what it should be."""

    PENDING = "pending"
    IN_SYNC = "in_sync"
    DRIFTED = "drifted"
    SHADOWED = "shadowed"
    MISSING = "missing"
    FAILED = "failed"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class FieldDrift:
    """One owned field whose observed value is not the desired one. Secrets come masked.

    `field` is a dotted path in Vapi's object, such as `server.url`.
    """

    field: str
    desired: object
    observed: object


@dataclass(frozen=True, slots=True)
class Sync:
    """What the last look at Vapi found, and when the next one is due."""

    state: SyncState = SyncState.PENDING
    level: SyncLevel = "phone_number"
    drift: tuple[FieldDrift, ...] = ()
    last_checked_at: datetime | None = None
    last_error: str | None = None
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """Who asked for a change at Vapi, and where it came in (api, web, cli)."""

    by: str
    source: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is changed at Vapi while it lasts; `until` None: until somebody ends it."""

    at: datetime
    by: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """What an operator asks first of a number; None: not known yet.

    `last_event_at` is the beginning of the last call that Vapi told us of.
    """

    configured: bool | None = None
    unshadowed: bool | None = None
    last_event_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """One registered number. `answer_with` is what answers a granted call, in Vapi's words."""

    id: UUID
    organization_id: UUID
    vapi_phone_number_id: str
    number: str | None = None
    label: str | None = None
    gate: NumberGate = "event"
    answer_with: Mapping[str, object] | None = None
    sync: Sync = field(default_factory=Sync)
    pause: Pause | None = None
    conditions: Conditions = field(default_factory=Conditions)
    created_at: datetime | None = None
    updated_at: datetime | None = None
