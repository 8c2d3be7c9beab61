"""A registered phone number and the state of its webhook at Vapi."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

import msgspec

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
"""Why the webhook was changed at Vapi: `drift` undoes another system's change."""


class SyncState(StrEnum):
    """The state of a number's webhook at Vapi against the desired one."""

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
    """The result of the last check at Vapi, and when the next attempt is due."""

    state: SyncState = SyncState.PENDING
    level: SyncLevel = "phone_number"
    drift: tuple[FieldDrift, ...] = ()
    last_checked_at: datetime | None = None
    last_error: str | None = None
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """The actor who asked for a change at Vapi, and the source (api, web, cli)."""

    by: str
    source: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is changed at Vapi during a pause; `until` None: until an admin resumes it."""

    at: datetime
    by: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """The first facts an operator asks about a number; None: not known yet.

    `last_event_at` is the start of the last call that Vapi reported.
    """

    configured: bool | None = None
    unshadowed: bool | None = None
    last_event_at: datetime | None = None


UNCHECKED, UNKNOWN = Sync(), Conditions()
"""Of numbers that were read without them: 100,000 in a directory share these."""


class PhoneNumber(msgspec.Struct, frozen=True, gc=False):
    """One registered number. `answer_with` is what answers a granted call, in Vapi's words.

    `secret_lost`: its former webhook had a secret that Vapi does not show, so that a release cannot
    restore it. `successor_vapi_id`: the number is missing, and Vapi has it again under this id.
    `unanswered`: nothing answers its granted calls: the target that Vapi does not have, or `nothing`.
    `paused_at`: when the last pause began that no admin ended; it may have ended by itself.
    """

    id: UUID
    organization_id: UUID
    vapi_phone_number_id: str
    number: str | None = None
    label: str | None = None
    gate: NumberGate = "event"
    answer_with: Mapping[str, object] | None = None
    sync: Sync = UNCHECKED
    pause: Pause | None = None
    conditions: Conditions = UNKNOWN
    secret_lost: bool = False
    successor_vapi_id: str | None = None
    unanswered: str | None = None
    paused_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
