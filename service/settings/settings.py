"""All settings: the groups in one class."""

import secrets
from urllib.parse import urlsplit

from pydantic import model_validator

from service.settings.calls import CallSettings
from service.settings.database import DatabaseSettings
from service.settings.outgoing_proxies import outgoing_proxy_faults
from service.settings.panel import PanelSettings
from service.settings.policies import PolicySettings
from service.settings.reconcile import ReconcileSettings
from service.settings.retention import RetentionSettings
from service.settings.strength import is_placeholder, weakness
from service.settings.urls import is_internal
from service.settings.vapi import VapiSettings
from service.settings.webhook import ALLOW_INSECURE, URL_NAMES, WebhookSettings

SANDBOX_SECRET = "sandbox-webhook-secret-for-this-machine"  # noqa: S105 - opens nothing real


class Settings(
    PanelSettings,
    PolicySettings,
    CallSettings,
    ReconcileSettings,
    RetentionSettings,
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
            data.setdefault("vapi_webhook_secret", SANDBOX_SECRET)
            # The local Vapi needs no rate limit, and a first try should not wait.
            data.setdefault("callgate_vapi_requests_per_second", 100)
            # No load balancer stands before it.
            data.setdefault("callgate_drain_seconds", 0)
            data.setdefault("callgate_admin_token", f"cg_{secrets.token_urlsafe(24)}")
        return data

    @property
    def own_urls(self) -> tuple[str, ...]:
        """Where this installation is reached: no `forward_url` may lead there."""
        ports = (self.callgate_port, self.callgate_admin_port)
        hosts = ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]")
        local = [f"http://{host}:{port}" for port in ports if port for host in hosts]
        named = (self.webhook_url, self.next_public_app_url, self.public_origin)
        return (*filter(None, named), *local)

    def secret_faults(self) -> list[str]:
        """Secrets that can be guessed. The length of those that others issue is not ours to judge."""
        if self.sandbox:
            return []
        own = {
            "CALLGATE_ADMIN_TOKEN": self.callgate_admin_token,
            "CALLGATE_METRICS_TOKEN": self.callgate_metrics_token,
        }
        issued = {
            "VAPI_API_KEY": self.vapi_api_key,
            "CALLGATE_OIDC_CLIENT_SECRET": self.callgate_oidc_client_secret,
        }
        values = [(name, secret.get_secret_value()) for name, secret in own.items()]
        found = [f"{name} {why}" for name, value in values if value and (why := weakness(value))]
        found += [
            f"{name} is a placeholder. Copy the value from where it was issued."
            for name, secret in issued.items()
            if is_placeholder(secret.get_secret_value())
        ]
        return found

    def outgoing_faults(self) -> list[str]:
        """Proxies that requests to Vapi cannot use. The sandbox is on this machine."""
        return [] if self.sandbox else outgoing_proxy_faults()

    def reach_faults(self) -> list[str]:
        """A webhook's address that Vapi cannot reach, unless Vapi itself is played on this network."""
        if self.sandbox or self.callgate_allow_insecure_webhook_url or self.webhook_url_faults():
            return []
        host, vapi = (urlsplit(url).hostname or "" for url in (self.webhook_url, self.vapi_api_url))
        if not is_internal(host) or is_internal(vapi):
            return []
        remedy = f"write a public address ({ALLOW_INSECURE} for a local test)"
        return [f"{URL_NAMES} points to {host!r}, which Vapi cannot reach: {remedy}."]

    def faults(self) -> list[str]:
        """What is wrong across fields, each in a sentence that names the variable."""
        return [
            *self.secret_faults(),
            *self.key_faults(),
            *self.webhook_faults(),
            *self.reach_faults(),
            *self.vapi_address_faults(),
            *self.name_server_faults(),
            *self.outgoing_faults(),
            *self.public_faults(),
            *self.proxy_faults(),
            *self.listener_faults(),
            *self.database_faults(),
            *self.encryption_faults(),
            *self.retention_faults(),
            *self.oidc_faults(),
            *self.policy_faults(),
        ]
