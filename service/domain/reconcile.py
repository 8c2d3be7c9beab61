"""What is known of one number while its webhook is reconciled: the claim on it, and a pass's result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from service.domain.phone_numbers import FieldDrift, NumberGate, SyncLevel, SyncState


@dataclass(frozen=True, slots=True)
class KeptFields:
    """What is ours on a number besides its webhook.

    `ring_texts` are the sentences of our ringing hooks, `ring_on` whether one may be installed,
    `fallback_numbers` the transfers that we set, `unbound` the bindings to restore.
    """

    ring_texts: tuple[str, ...] = ()
    ring_on: bool = False
    fallback_numbers: tuple[str, ...] = ()
    unbound: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class WebhookClaim:
    """A lease on one number with its fencing token `claim`, and the stored facts that a plan needs.

    `pause_left` and `fight_left` are seconds; None: until an admin ends it. `fights` counts how
    often our repairs of one object were undone within the hour. A sweep reads the same facts without
    holding the lease.
    """

    phone_number_id: UUID
    vapi_phone_number_id: str
    claim: int = 0
    wakes: int = 0
    organization_id: UUID | None = None
    released: bool = False
    gate: NumberGate = "event"
    answer_with: Mapping[str, Any] | None = None
    level: SyncLevel = "phone_number"
    problem: str | None = None
    failures: int = 0
    original: Mapping[str, Any] | None = None
    last_applied: Mapping[str, Any] | None = None
    assistant_ids: tuple[str, ...] = ()
    owned_assistants: tuple[str, ...] = ()
    kept: KeptFields = KeptFields()
    watched: bool = False
    ordered_by: str | None = None
    ordered_from: str | None = None
    paused: bool = False
    pause_left: float | None = None
    fights: int = 0
    fight_left: float | None = None
    claimed_at: float = 0.0
    """The event loop's time before it was claimed."""


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """What answers granted calls of a number: whether an assistant, squad or workflow is `attached` at
    Vapi, and which target of its answer Vapi does not have (`assistant <id>`)."""

    phone_number_id: UUID
    attached: bool
    missing: str | None


@dataclass(frozen=True, slots=True)
class PassResult:
    """The result of one pass. `retry_in` is in seconds; None: no retry is scheduled.

    `problem` is the slug of `error`. `checked` is False where Vapi could not be read. `applied`
    describes what Vapi now holds of ours (see `steps.applied`).
    """

    state: SyncState
    drift: tuple[FieldDrift, ...] = ()
    error: str | None = None
    problem: str | None = None
    failures: int = 0
    retry_in: float | None = None
    checked: bool = True
    level: SyncLevel = "phone_number"
    applied: Mapping[str, Any] | None = None
