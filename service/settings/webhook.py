"""Settings of the webhook that Vapi posts to: its URL, its secrets, its signatures, its limits."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from service.inputs.marks import BadTextError
from service.inputs.urls import parse_url, parse_webhook_url
from service.settings.group import HeaderSecrets
from service.settings.serving import ServingSettings
from service.settings.strength import MAKE_ONE, weakness

WEBHOOK_PATH = "/api/vapi/webhook"
ORGANIZATION_PREFIX = "cgo1."
"""How every secret begins that derives from a master for one organization."""

PLACEHOLDER_HOSTS = ("your-domain.com", "yourdomain.com", "your-app.com", "changeme")
ALLOW_INSECURE = "CALLGATE_ALLOW_INSECURE_WEBHOOK_URL=1"
URL_NAMES = "VAPI_WEBHOOK_URL (or NEXT_PUBLIC_APP_URL)"


class WebhookSettings(ServingSettings):
    """The webhook. In the sandbox its URL is where the process listens."""

    vapi_webhook_url: str = ""
    next_public_app_url: str = ""
    vapi_webhook_secret: HeaderSecrets = SecretStr("")
    callgate_accept_master_secret: bool = True
    vapi_webhook_auth: Literal["secret", "hmac"] = "secret"
    callgate_allow_insecure_webhook_url: bool = False
    callgate_max_body_bytes: int = Field(default=32 * 2**20, ge=1024, le=2**30)
    callgate_unproved_body_bytes: int = Field(default=32 * 2**20, ge=2**20, le=2**32)

    callgate_hmac_algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    callgate_hmac_signature_header: str = "x-signature"
    callgate_hmac_timestamp_header: str = "x-timestamp"
    callgate_hmac_id_header: str = "webhook-id"
    callgate_hmac_prefix: str = ""
    callgate_hmac_encoding: Literal["hex", "base64"] = "hex"
    callgate_hmac_payload: str = "{timestamp}.{body}"
    callgate_hmac_tolerance: float = Field(default=300, gt=0, le=3600)
    callgate_hmac_allow_untimed: bool = False

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Every master secret; what is written to Vapi derives from the first."""
        raw = self.vapi_webhook_secret.get_secret_value()
        return tuple(word.strip() for word in raw.split(",") if word.strip())

    @property
    def webhook_url(self) -> str:
        """The URL that is written to Vapi, in canonical form; as it was given if it is none."""
        given = self.vapi_webhook_url
        if not given and self.next_public_app_url:
            given = self.next_public_app_url.rstrip("/") + WEBHOOK_PATH
        if not given and self.sandbox:
            host = self.callgate_host
            given = f"http://{f'[{host}]' if ':' in host else host}:{self.callgate_port}"
        try:
            return parse_webhook_url(given, WEBHOOK_PATH) if given else ""
        except BadTextError:
            return given

    def webhook_faults(self) -> list[str]:
        """Faults of the secrets, the URL and the signatures."""
        found = []
        if not self.webhook_secrets:
            found.append(
                "VAPI_WEBHOOK_SECRET is missing: without it the webhook would accept forged events. "
                "Set one secret, or several separated by commas during a rotation."
            )
        found += self.weak_secrets()
        found += self.webhook_url_faults()
        if self.vapi_webhook_auth == "hmac":
            found += self.signature_faults()
        return found

    def weak_secrets(self) -> list[str]:
        """Master secrets that can be guessed, or that are none."""
        found, masters = [], self.webhook_secrets
        for place, master in enumerate(masters, start=1):
            name = "VAPI_WEBHOOK_SECRET"
            if len(masters) > 1:
                name += f", secret {place} of {len(masters)},"
            if master.startswith(ORGANIZATION_PREFIX):
                found.append(f"{name} is one organization's secret: set the master. {MAKE_ONE}")
            elif not self.sandbox and (why := weakness(master)):
                found.append(f"{name} {why}")
        return found

    def signature_faults(self) -> list[str]:
        """Faults of what is signed in `hmac` mode."""
        payload = self.callgate_hmac_payload
        if payload.count("{body}") != 1:
            return [
                "CALLGATE_HMAC_PAYLOAD must contain {body} exactly once: the body has to be signed."
            ]
        if "{timestamp}" not in payload and not self.callgate_hmac_allow_untimed:
            text = "a recorded message could be sent again at any time. Sign the timestamp, or set"
            return [
                f"CALLGATE_HMAC_PAYLOAD has no {{timestamp}}: {text} CALLGATE_HMAC_ALLOW_UNTIMED=1."
            ]
        return []

    def webhook_url_faults(self) -> list[str]:
        """Faults of the URL that is written to Vapi."""
        url = self.webhook_url
        if not url:
            return [f"{URL_NAMES} is missing: Vapi posts call events to it."]
        try:
            parts = urlsplit(parse_url(url))
        except BadTextError as exc:
            return [f"{URL_NAMES} {exc}."]
        host = parts.hostname or ""
        if any(host == word or host.endswith("." + word) for word in PLACEHOLDER_HOSTS):
            return [f"{URL_NAMES} still points to the placeholder host {host!r}."]
        insecure = self.sandbox or self.callgate_allow_insecure_webhook_url
        if parts.scheme != "https" and not insecure:
            return [f"{URL_NAMES} must be https, not {url!r} ({ALLOW_INSECURE} for a local test)."]
        return []
