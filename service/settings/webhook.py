"""Settings of the webhook that Vapi posts to: its URL, its secrets, its signatures, its limits."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from policies.host.marks import BadTextError
from service.inputs.urls import parse_app_url, parse_url, parse_webhook_url
from service.settings.durations import InSeconds
from service.settings.group import Choice, HeaderSecrets
from service.settings.serving import ServingSettings
from service.settings.strength import MAKE_ONE, weakness

WEBHOOK_PATH = "/api/vapi/webhook"
ORGANIZATION_PREFIX = "cgo1."
"""How every secret begins that derives from a master for one organization."""

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
STRAY = re.compile(
    r"\$\{|\{(?!(timestamp|id|svix-id|body)\})[^{}]*\}?"
    r"|(?<!\{timestamp)(?<!\{id)(?<!\{svix-id)(?<!\{body)\}"
)
"""A brace in a payload that belongs to no placeholder, or a dollar before one."""

PLACEHOLDER_HOSTS = ("your-domain.com", "yourdomain.com", "your-app.com", "changeme")
ALLOW_INSECURE = "CALLGATE_ALLOW_INSECURE_WEBHOOK_URL=1"
URL_NAMES = "VAPI_WEBHOOK_URL (or NEXT_PUBLIC_APP_URL)"


class WebhookSettings(ServingSettings):
    """The webhook. In the sandbox its URL is where the process listens."""

    vapi_webhook_url: str = ""
    next_public_app_url: str = ""
    vapi_webhook_secret: HeaderSecrets = SecretStr("")
    callgate_accept_master_secret: bool = True
    vapi_webhook_auth: Annotated[Literal["secret", "hmac"], Choice] = "secret"
    callgate_allow_insecure_webhook_url: bool = False
    callgate_max_body_bytes: int = Field(default=32 * 2**20, ge=1024, le=2**30)
    callgate_unproved_body_bytes: int = Field(default=32 * 2**20, ge=2**20, le=2**32)

    callgate_hmac_algorithm: Annotated[Literal["sha256", "sha512", "sha1"], Choice] = "sha256"
    callgate_hmac_signature_header: str = "x-signature"
    callgate_hmac_timestamp_header: str = "x-timestamp"
    callgate_hmac_id_header: str = "webhook-id"
    callgate_hmac_prefix: str = ""
    callgate_hmac_encoding: Annotated[Literal["hex", "base64"], Choice] = "hex"
    callgate_hmac_payload: str = "{timestamp}.{body}"
    callgate_hmac_tolerance: Annotated[float, InSeconds] = Field(default=300, gt=0, le=3600)
    callgate_hmac_allow_untimed: bool = False

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Every master secret; what is written to Vapi derives from the first."""
        raw = self.vapi_webhook_secret.get_secret_value()
        return tuple(word.strip() for word in raw.split(",") if word.strip())

    @property
    def webhook_url(self) -> str:
        """The URL that is written to Vapi, in canonical form; as it was given if it is none."""
        given, app = self.vapi_webhook_url, self.next_public_app_url
        if not given and not app and self.sandbox:
            host = self.callgate_host
            given = f"http://{f'[{host}]' if ':' in host else host}:{self.callgate_port}"
        try:
            if not given and app:
                return parse_app_url(app, WEBHOOK_PATH)
            return parse_webhook_url(given, WEBHOOK_PATH) if given else ""
        except BadTextError:
            return given or app

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
        if stray := STRAY.search(payload):
            known = "the placeholders are {timestamp}, {id} (or {svix-id}) and {body}"
            return [f"CALLGATE_HMAC_PAYLOAD has {stray[0]!r}, which nothing fills in: {known}."]
        if found := self.header_faults():
            return found
        if "{timestamp}" not in payload and not self.callgate_hmac_allow_untimed:
            text = "a recorded message could be sent again at any time. Sign the timestamp, or set"
            return [
                f"CALLGATE_HMAC_PAYLOAD has no {{timestamp}}: {text} CALLGATE_HMAC_ALLOW_UNTIMED=1."
            ]
        return []

    def header_faults(self) -> list[str]:
        """Names that no header can have: no message would prove its sender."""
        names = {
            "CALLGATE_HMAC_SIGNATURE_HEADER": self.callgate_hmac_signature_header,
            "CALLGATE_HMAC_TIMESTAMP_HEADER": self.callgate_hmac_timestamp_header,
            "CALLGATE_HMAC_ID_HEADER": self.callgate_hmac_id_header,
        }
        return [
            f"{name} is {header!r}, which is no name of a header: write it without a colon, such as "
            "x-signature."
            for name, header in names.items()
            if not HEADER_NAME.fullmatch(header)
        ]

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
