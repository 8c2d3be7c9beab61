"""Settings of the panel and the API: the bootstrap token, proxies, single sign-on."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from policies.host.marks import BadTextError, without_marks
from service.inputs.hosts import parse_network
from service.inputs.urls import parse_origin, parse_url
from service.settings.group import Choice, HeaderSecret, PastedSecret, SettingsGroup, Words
from service.settings.urls import is_local

DISCOVERY = "/.well-known/openid-configuration"


class PanelSettings(SettingsGroup):
    """How admins sign in."""

    callgate_admin_token: HeaderSecret = SecretStr("")
    callgate_public_url: str = ""
    callgate_trusted_proxies: Words = ()
    callgate_oidc_issuer: str = ""
    callgate_oidc_client_id: str = ""
    callgate_oidc_client_secret: PastedSecret = SecretStr("")
    callgate_oidc_scopes: str = "openid profile email"
    callgate_oidc_role_claim: str = Field(default="callgate_role", min_length=1)
    callgate_oidc_default_role: Annotated[Literal["", "viewer", "support", "admin"], Choice] = ""
    callgate_oidc_name: str = Field(
        default="Sign in with single sign-on", min_length=1, max_length=60
    )

    @field_validator("callgate_oidc_issuer")
    @classmethod
    def read_issuer(cls, text: str) -> str:
        """The issuer, also by the address of its discovery document. A slash at its end stays."""
        pasted = without_marks(text)
        if "://" not in pasted:
            return pasted  # refused by `oidc_faults`
        issuer = parse_url(pasted)
        return issuer.removesuffix(DISCOVERY) if issuer.endswith(DISCOVERY) else issuer

    @property
    def public_origin(self) -> str:
        """The panel's address as browsers write it in `Origin`; "" if it is not set or is none."""
        try:
            return parse_origin(self.callgate_public_url) if self.callgate_public_url else ""
        except BadTextError:
            return ""

    def public_faults(self) -> list[str]:
        """Faults of the panel's public address."""
        origin = self.public_origin
        parts = urlsplit(origin)
        if not self.callgate_public_url or (origin and is_safe(parts.scheme, parts.hostname or "")):
            return []
        fault = (
            "CALLGATE_PUBLIC_URL must be an https address without a path, such as "
            "https://callgate.example.net (http only for this machine), not "
            f"{self.callgate_public_url!r}."
        )
        return [fault]

    def proxy_faults(self) -> list[str]:
        """Faults of the proxies whose headers are trusted."""
        found = []
        for proxy in self.callgate_trusted_proxies:
            try:
                parse_network(proxy)
            except BadTextError as exc:
                found.append(f"CALLGATE_TRUSTED_PROXIES {exc}.")
        return found

    def oidc_faults(self) -> list[str]:
        """Faults of the sign-in provider."""
        issuer = self.callgate_oidc_issuer
        if not issuer:
            return []
        found = []
        parts = urlsplit(issuer)
        local = parts.scheme == "http" and is_local(parts.hostname or "")
        if not parts.hostname or (parts.scheme != "https" and not local):
            found.append(f"CALLGATE_OIDC_ISSUER must be an absolute https URL, not {issuer!r}.")
        if not self.callgate_oidc_client_id:
            found.append("CALLGATE_OIDC_CLIENT_ID is missing: CALLGATE_OIDC_ISSUER needs it.")
        if "openid" not in self.callgate_oidc_scopes.split():
            found.append("CALLGATE_OIDC_SCOPES must contain openid.")
        return found


def is_safe(scheme: str, host: str) -> bool:
    """Whether passwords may travel to this address: over https, or within this machine."""
    return scheme == "https" or is_local(host)
