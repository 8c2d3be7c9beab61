"""Where an organization's messages go at present, and the keys that sign them."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from service.domain.organizations import Organization
from service.domain.relay.signing import default_secret, key_of, signed_headers
from service.store.vault import Vault

MOST_OPENED = 4096
"""Opened secrets that stay in memory: decrypting one takes longer than signing with it."""

FindOrganization = Callable[[UUID], Organization | None]


@dataclass(frozen=True, slots=True)
class RelayTarget:
    """A server. `keys` sign each of its messages, the newest first."""

    url: str
    keys: tuple[bytes, ...]

    def sign(self, webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """The headers that prove who sent a message, and when."""
        return signed_headers(webhook_id, timestamp, body, self.keys)


class RelayTargets:
    """Finds targets. `now` is in seconds since 1970; `master` derives the secret of organizations
    that have none of their own."""

    def __init__(
        self, find: FindOrganization, vault: Vault, master: str, now: Callable[[], float]
    ) -> None:
        self.find_organization = find
        self.vault = vault
        self.master = master
        self.now = now
        self.opened: dict[str, tuple[bytes, ...]] = {}

    def find_url(self, organization_id: UUID) -> str | None:
        """Where the organization's server is now; None if it has none."""
        organization = self.find_organization(organization_id)
        return None if organization is None else organization.forward_url

    def find(self, organization_id: UUID) -> RelayTarget | None:
        """The organization's server now; None if it has none."""
        organization = self.find_organization(organization_id)
        if organization is None or organization.forward_url is None:
            return None
        return RelayTarget(organization.forward_url, self.keys_of(organization))

    def keys_of(self, organization: Organization) -> tuple[bytes, ...]:
        """The keys that are valid now. One that cannot be decrypted any more is left out."""
        keys = self.open(organization.relay_secret)
        keys = keys or (key_of(default_secret(self.master, organization.id)),)
        until = organization.former_relay_secret_until
        if until is not None and self.now() < until.timestamp():
            keys += self.open(organization.former_relay_secret)
        return keys

    def open(self, sealed: str | None) -> tuple[bytes, ...]:
        """The keys of sealed secrets, which are separated by spaces."""
        if sealed is None:
            return ()
        if sealed not in self.opened:
            if len(self.opened) >= MOST_OPENED:
                self.opened.clear()
            secrets = self.vault.open(sealed) or ""
            self.opened[sealed] = tuple(key_of(secret) for secret in secrets.split())
        return self.opened[sealed]
