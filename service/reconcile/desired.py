"""The desired state of a number's webhook: the owned fields of Vapi's `server` block. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from uuid import UUID

from service.domain.organization_secret import (
    NO_ORGANIZATION,
    derive_organization_secret,
    verify_organization_secret,
)
from service.settings import Settings

SECRET_HEADER = "X-Vapi-Secret"  # noqa: S105 - the name of a header
TIMEOUT_SECONDS = 20

# Without the exclusions every 403 of ours would be sent again, up to three times (Vapi's docs on
# backoffPlan: each non-2xx is retried unless excluded).
BACKOFF_PLAN: Mapping[str, Any] = MappingProxyType(
    {
        "type": "exponential",
        "maxRetries": 3,
        "baseDelaySeconds": 1,
        "excludedStatusCodes": [400, 401, 403, 404, 413, 422],
    }
)


@dataclass(frozen=True, slots=True)
class DesiredWebhook:
    """The owned values. `secret` is None where Vapi authenticates with a credential of its own.

    `accepted` are all secrets that we accept: a number that carries an older one still works.
    `secret` and `accepted` are those of one organization, derived from `masters`, which are never
    written to Vapi; `masters_accepted` says whether a master itself proves messages too.
    """

    url: str
    secret: str | None
    timeout_seconds: int = TIMEOUT_SECONDS
    backoff_plan: Mapping[str, Any] = field(default_factory=lambda: BACKOFF_PLAN)
    accepted: tuple[str, ...] = ()
    masters: tuple[str, ...] = ()
    masters_accepted: bool = True

    def of(self, organization_id: UUID | None) -> "DesiredWebhook":
        """The same for the numbers and assistants of one organization."""
        if self.secret is None or not self.masters:
            return self
        owner = organization_id or NO_ORGANIZATION
        derived = tuple(derive_organization_secret(master, owner) for master in self.masters)
        accepted = (*derived, *self.masters) if self.masters_accepted else derived
        return replace(self, secret=derived[0], accepted=accepted)

    def knows(self, value: object) -> bool:
        """Whether a header's value is a secret of ours: a master, or derived for any organization."""
        if not isinstance(value, str):
            return False
        if value in self.accepted or value in self.masters:
            return True
        return verify_organization_secret(value.encode(errors="replace"), self.masters) is not None


def desired_webhook(settings: Settings) -> DesiredWebhook:
    """The desired webhook of registered numbers; `of` makes it that of one organization.

    In `hmac` mode no header is ours.
    """
    masters = settings.webhook_secrets
    if settings.vapi_webhook_auth == "hmac" or not masters:
        return DesiredWebhook(settings.webhook_url, None, masters=masters)
    return DesiredWebhook(
        settings.webhook_url,
        derive_organization_secret(masters[0], NO_ORGANIZATION),
        masters=masters,
        masters_accepted=settings.callgate_accept_master_secret,
    )
