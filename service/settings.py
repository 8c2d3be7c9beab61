"""Every setting, read from the environment and judged at once: one message lists all that is wrong.

deploy/README.md explains each of them; a test keeps the two equal.
"""

import difflib
import ipaddress
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

WEBHOOK_PATH = "/api/vapi/webhook"
PLACEHOLDER_HOSTS = ("your-domain.com", "yourdomain.com", "your-app.com", "changeme")
ALLOW_INSECURE = "CALLGATE_ALLOW_INSECURE_WEBHOOK_URL=1"
DEFAULT_BLOCKED_MESSAGE = "This number is not in service at the moment. Goodbye."

Words = Annotated[tuple[str, ...], NoDecode]


class SettingsError(Exception):
    """The environment does not make a working service; the message lists every fault."""


def default_data_dir() -> Path:
    """Where the embedded PostgreSQL and the spool live: the system's place for root, else home."""
    if os.geteuid() == 0:
        return Path("/var/lib/callgate")
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "callgate"


class Settings(BaseSettings):
    """The validated environment. Durations are seconds, sizes bytes."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    sandbox: bool = Field(default=False, exclude=True, validation_alias="_sandbox")

    vapi_api_key: SecretStr = SecretStr("")
    vapi_webhook_url: str = ""
    next_public_app_url: str = ""
    vapi_api_url: str = "https://api.vapi.ai"
    vapi_webhook_secret: SecretStr = SecretStr("")
    vapi_webhook_auth: Literal["secret", "hmac"] = "secret"
    vapi_control_hosts: Words = (".vapi.ai",)
    database_url: SecretStr = SecretStr("")

    callgate_admin_token: SecretStr = SecretStr("")
    callgate_host: str = "127.0.0.1"
    callgate_port: int = Field(default=8080, ge=0, le=65535)
    callgate_data_dir: Path = Field(default_factory=default_data_dir)
    callgate_allow_insecure_webhook_url: bool = False
    callgate_reconcile_interval: float = Field(default=300, ge=0, le=86_400)
    callgate_reconcile_mode: Literal["enforce", "observe"] = "enforce"
    callgate_reconcile_max_changes: float = Field(default=0.3, ge=0, le=1)
    callgate_assistant_webhooks: Literal["owned", "never"] = "owned"
    callgate_vapi_requests_per_second: float = Field(default=1.4, gt=0, le=1000)
    callgate_ring_gate: bool = False
    callgate_call_watch_interval: float = Field(default=60, ge=0, le=86_400)
    callgate_relay_hosts: Words = ()
    callgate_trusted_proxies: Words = ()
    callgate_log_format: Literal["json", "console", ""] = ""
    callgate_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    callgate_blocked_message: str = Field(
        default=DEFAULT_BLOCKED_MESSAGE, min_length=1, max_length=1000
    )
    callgate_max_body_bytes: int = Field(default=32 * 2**20, ge=1024, le=2**30)
    callgate_pool_size: int = Field(default=10, ge=2, le=200)
    callgate_shutdown_seconds: float = Field(default=20, ge=0, le=600)
    callgate_sandbox_port: int = Field(default=0, ge=0, le=65535)

    callgate_oidc_issuer: str = ""
    callgate_oidc_client_id: str = ""
    callgate_oidc_client_secret: SecretStr = SecretStr("")
    callgate_oidc_scopes: str = "openid profile email"
    callgate_oidc_role_claim: str = Field(default="callgate_role", min_length=1)
    callgate_oidc_default_role: Literal["", "viewer", "support", "admin"] = ""
    callgate_oidc_name: str = Field(
        default="Sign in with single sign-on", min_length=1, max_length=60
    )

    callgate_hmac_algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    callgate_hmac_signature_header: str = "x-signature"
    callgate_hmac_timestamp_header: str = "x-timestamp"
    callgate_hmac_id_header: str = "webhook-id"
    callgate_hmac_prefix: str = ""
    callgate_hmac_encoding: Literal["hex", "base64"] = "hex"
    callgate_hmac_payload: str = "{timestamp}.{body}"
    callgate_hmac_tolerance: float = Field(default=300, gt=0, le=3600)

    @field_validator(
        "vapi_control_hosts", "callgate_relay_hosts", "callgate_trusted_proxies", mode="before"
    )
    @classmethod
    def split_words(cls, value: object) -> object:
        """Lists are written with commas."""
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @field_validator("callgate_log_level", mode="before")
    @classmethod
    def upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def fill_the_sandbox(cls, data: dict[str, object]) -> dict[str, object]:
        """In the sandbox nothing has to be set: what guards a real account gets harmless values."""
        if data.get("_sandbox"):
            data.setdefault("vapi_api_key", "sandbox-private-key")
            data.setdefault("vapi_webhook_secret", "sandbox-webhook-secret")
            # The stand-in on this machine needs no sparing; a newcomer should not wait for it.
            data.setdefault("callgate_vapi_requests_per_second", 100)
            data.setdefault("callgate_admin_token", f"cg_{secrets.token_urlsafe(24)}")
        return data

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Every accepted webhook secret; the first is the one written to Vapi."""
        raw = self.vapi_webhook_secret.get_secret_value()
        return tuple(word.strip() for word in raw.split(",") if word.strip())

    @property
    def webhook_url(self) -> str:
        """The URL that Vapi is told to post to."""
        if self.vapi_webhook_url:
            return self.vapi_webhook_url
        if self.next_public_app_url:
            return self.next_public_app_url.rstrip("/") + WEBHOOK_PATH
        if self.sandbox:
            return f"http://{self.callgate_host}:{self.callgate_port}{WEBHOOK_PATH}"
        return ""

    def faults(self) -> list[str]:
        """What is wrong across fields, each in a sentence that names the variable."""
        found = []
        if not self.vapi_api_key.get_secret_value():
            found.append(
                "VAPI_API_KEY is missing: it is needed to hang up calls and to configure webhooks."
            )
        if not self.webhook_secrets:
            found.append(
                "VAPI_WEBHOOK_SECRET is missing: without it anybody could post call events. "
                "Set one secret, or several separated by commas while you rotate."
            )
        for secret in self.webhook_secrets:
            if not secret.isascii() or not secret.isprintable():
                found.append(
                    "VAPI_WEBHOOK_SECRET has characters that do not fit into an HTTP header."
                )
                break
        found.extend(self.webhook_url_faults())
        found.extend(self.address_faults())
        found.extend(self.oidc_faults())
        if self.vapi_webhook_auth == "hmac" and "{body}" not in self.callgate_hmac_payload:
            found.append("CALLGATE_HMAC_PAYLOAD must contain {body}, or nothing would be signed.")
        return found

    def oidc_faults(self) -> list[str]:
        """What is wrong with the sign-in provider."""
        issuer = self.callgate_oidc_issuer
        if not issuer:
            return []
        found = []
        try:
            parts = urlsplit(issuer)
        except ValueError:
            return [f"CALLGATE_OIDC_ISSUER is not a URL: {issuer!r}."]
        local = parts.scheme == "http" and is_local(parts.hostname or "")
        if not parts.hostname or (parts.scheme != "https" and not local):
            found.append(f"CALLGATE_OIDC_ISSUER must be an absolute https URL, not {issuer!r}.")
        if not self.callgate_oidc_client_id:
            found.append("CALLGATE_OIDC_CLIENT_ID is missing: CALLGATE_OIDC_ISSUER needs it.")
        if "openid" not in self.callgate_oidc_scopes.split():
            found.append("CALLGATE_OIDC_SCOPES must contain openid.")
        return found

    def webhook_url_faults(self) -> list[str]:
        """What is wrong with the URL that would be written to Vapi."""
        names = "VAPI_WEBHOOK_URL (or NEXT_PUBLIC_APP_URL)"
        url = self.webhook_url
        if not url:
            return [f"{names} is missing: Vapi has to be told where to post call events."]
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
            _ = parts.port
        except ValueError:
            return [f"{names} is not a URL: {url!r}."]
        if parts.scheme not in ("https", "http") or not host:
            return [f"{names} must be an absolute https URL, not {url!r}."]
        if parts.username is not None or parts.password is not None:
            return [f"{names} must not carry a user name or password."]
        if any(host == word or host.endswith("." + word) for word in PLACEHOLDER_HOSTS):
            return [f"{names} still points to the placeholder host {host!r}."]
        insecure = self.sandbox or self.callgate_allow_insecure_webhook_url
        if parts.scheme != "https" and not insecure:
            return [f"{names} must be https, not {url!r} ({ALLOW_INSECURE} for a local test)."]
        return []

    def address_faults(self) -> list[str]:
        """What is wrong with the addresses that we would speak to."""
        found = []
        parts = split(self.vapi_api_url)
        if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
            found.append(f"VAPI_API_URL must be an absolute URL, not {self.vapi_api_url!r}.")
        elif parts.scheme == "http" and not is_local(parts.hostname):
            found.append("VAPI_API_URL must be https: the private key travels with every request.")
        for entry in self.vapi_control_hosts:
            if "://" in entry:
                if not is_origin(entry):
                    found.append(f"VAPI_CONTROL_HOSTS has {entry!r}, which is not an origin.")
            elif not entry.startswith(".") or len(entry) < 4 or "/" in entry:
                found.append(
                    f"VAPI_CONTROL_HOSTS has {entry!r}: write a host suffix with its dot, such as "
                    "'.vapi.ai', or a whole origin such as 'http://127.0.0.1:9000'."
                )
        for proxy in self.callgate_trusted_proxies:
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError:
                found.append(f"CALLGATE_TRUSTED_PROXIES has {proxy!r}, which is no IP network.")
        found.extend(self.database_faults())
        return found

    def database_faults(self) -> list[str]:
        """What is wrong with the database's address; never a part of it, as it has the password."""
        try:
            # No look at the port: an address may name several hosts, each with its own.
            scheme = urlsplit(self.database_url.get_secret_value() or "postgresql:").scheme
        except ValueError:
            return ["DATABASE_URL is not a URL: percent-encode what is special in its password."]
        if scheme not in ("postgresql", "postgres"):
            return ["DATABASE_URL must begin with postgresql://."]
        return []


def split(url: str) -> SplitResult | None:
    """A URL's parts; None if it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def is_origin(url: str) -> bool:
    """Whether a URL is a scheme, a host and perhaps a port, and nothing else."""
    parts = split(url)
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
        return False
    return parts.path in ("", "/") and not parts.query and not parts.username


def is_local(host: str) -> bool:
    """Whether a host name is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(*, sandbox: bool = False, serving: bool = True, **given: object) -> Settings:
    """Read the environment; `given` (command-line options) wins over it.

    Without `serving` only what can be read is judged: `callgate migrate` needs no key of Vapi's.
    Raises `SettingsError` with one line a fault, never with a value of a secret.
    """
    settings, found = read_settings(sandbox=sandbox, **given)
    if serving:
        found += settings.faults()
    if found:
        lines = "\n".join(f"  - {line}" for line in found)
        raise SettingsError(f"The settings are not usable:\n{lines}")
    return settings


def read_settings(*, sandbox: bool = False, **given: object) -> tuple[Settings, list[str]]:
    """What can be read, with defaults in place of the rest, and one line for each of these.

    Every line begins with the variable's name, as those of `Settings.faults` do.
    """
    values = {name: value for name, value in given.items() if value is not None}
    values["_sandbox"] = sandbox
    found = unknown_variables(os.environ)
    try:
        return Settings(**values), found  # type: ignore[arg-type]
    except ValidationError as exc:
        # Judge the rest as if the unreadable fields had their defaults: one start, all faults.
        found += explain(exc)
        for fault in exc.errors(include_input=False, include_url=False):
            name = str(fault["loc"][0])
            values[name] = Settings.model_fields[name].get_default(call_default_factory=True)
        return Settings(**values), found  # type: ignore[arg-type]


def explain(error: ValidationError) -> list[str]:
    """One line a fault, with the variable's name. Inputs are left out: they may be secrets."""
    return [
        f"{'.'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False)
    ]


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A misspelt `CALLGATE_…` would be silence where the operator expects an effect: refuse it."""
    known = [name.upper() for name in Settings.model_fields]
    found = []
    for name in sorted(environment):
        if name.startswith("CALLGATE_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            found.append(f"{name} is not a setting.{hint}")
    return found


def known_variables() -> Mapping[str, str]:
    """Each variable's name and its default as text, for the operators' table and its test."""
    return {
        name.upper(): repr(field.default)
        for name, field in Settings.model_fields.items()
        if name != "sandbox"
    }
