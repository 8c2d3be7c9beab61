"""The desired state of a number's webhook: the owned fields of Vapi's `server` block. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

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
    """

    url: str
    secret: str | None
    timeout_seconds: int = TIMEOUT_SECONDS
    backoff_plan: Mapping[str, Any] = field(default_factory=lambda: BACKOFF_PLAN)
    accepted: tuple[str, ...] = ()


def desired_webhook(settings: Settings) -> DesiredWebhook:
    """The desired webhook of every registered number. In `hmac` mode no header is ours."""
    secret = settings.webhook_secrets[0] if settings.vapi_webhook_auth == "secret" else None
    return DesiredWebhook(settings.webhook_url, secret, accepted=settings.webhook_secrets)
