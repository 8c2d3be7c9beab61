"""The tenant: an organization with its entitlements."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from policies.entitlements import Override, SubscriptionPlan, Trial
from service.domain.handling import BlockedMessage, Handling
from service.domain.policies.choices import OwnChoices

BY_EXTERNAL_ID = "external_id:"
"""What an external id begins with where it stands for an organization's id."""


@dataclass(frozen=True, slots=True)
class Organization:
    """One tenant as stored. `assistant_ids` are its own Vapi assistants, for calls without
    a phone number id (web calls). `relay_secret` signs what its server gets, with the former one
    beside it until an instant; both are sealed, and no text shows them.
    `policies` are its own choices, by the name of the policy.
    `time_zone` is the IANA name of the one whose days and months its usage is counted by; None: UTC."""

    id: UUID
    name: str
    external_id: str | None = None
    blocked_message: str | None = None
    forward_url: str | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)
    assistant_ids: tuple[str, ...] = ()
    handling: Handling = field(default_factory=Handling)
    blocked_messages: tuple[BlockedMessage, ...] = ()
    plan: SubscriptionPlan | None = None
    trial: Trial | None = None
    override: Override | None = None
    time_zone: str | None = None
    policies: OwnChoices = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    relay_secret: str | None = field(default=None, repr=False)
    former_relay_secret: str | None = field(default=None, repr=False)
    former_relay_secret_until: datetime | None = None
