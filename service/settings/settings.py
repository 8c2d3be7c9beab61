"""All settings: the groups in one class."""

import secrets

from pydantic import model_validator

from service.settings.calls import CallSettings
from service.settings.database import DatabaseSettings
from service.settings.panel import PanelSettings
from service.settings.reconcile import ReconcileSettings
from service.settings.vapi import VapiSettings
from service.settings.webhook import WebhookSettings


class Settings(
    PanelSettings,
    CallSettings,
    ReconcileSettings,
    DatabaseSettings,
    WebhookSettings,
    VapiSettings,
):
    """The validated environment. Fields are listed from the last group to the first."""

    @model_validator(mode="before")
    @classmethod
    def fill_the_sandbox(cls, data: dict[str, object]) -> dict[str, object]:
        """In the sandbox no variable is required: the guards of a real account get harmless values."""
        if data.get("_sandbox"):
            data.setdefault("vapi_api_key", "sandbox-private-key")
            data.setdefault("vapi_webhook_secret", "sandbox-webhook-secret")
            # The local Vapi needs no rate limit, and a first try should not wait.
            data.setdefault("callgate_vapi_requests_per_second", 100)
            data.setdefault("callgate_admin_token", f"cg_{secrets.token_urlsafe(24)}")
        return data

    def faults(self) -> list[str]:
        """What is wrong across fields, each in a sentence that names the variable."""
        return [
            *self.key_faults(),
            *self.webhook_faults(),
            *self.vapi_address_faults(),
            *self.name_server_faults(),
            *self.public_faults(),
            *self.proxy_faults(),
            *self.listener_faults(),
            *self.database_faults(),
            *self.encryption_faults(),
            *self.oidc_faults(),
        ]
