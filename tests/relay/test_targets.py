"""Where an organization's messages go now, and which secrets sign them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from service.domain.organizations import Organization
from service.domain.relay.signing import create_secret, default_secret, key_of
from service.relay.targets import RelayTargets
from service.store.vault import Vault

OWNER = UUID(int=1)
VAULT = Vault(["the-encryption-key-of-this-test"])
URL = "https://bakery.example.com/hook"


def keys(at: float, vault: Vault = VAULT, **fields: object) -> tuple[bytes, ...] | None:
    values: dict[str, Any] = {"forward_url": URL, **fields}
    organization = Organization(OWNER, "Bakery", **values)
    target = RelayTargets(lambda _owner: organization, vault, "master", lambda: at).find(OWNER)
    return None if target is None else target.keys


def test_without_a_secret_of_its_own_a_derived_one_signs() -> None:
    assert keys(0) == (key_of(default_secret("master", OWNER)),)


def test_a_former_secret_signs_until_its_end() -> None:
    new, former = create_secret(), create_secret()
    fields: dict[str, Any] = {
        "relay_secret": VAULT.seal(new),
        "former_relay_secret": VAULT.seal(former),
        "former_relay_secret_until": datetime.fromtimestamp(100, UTC),
    }
    assert keys(99, **fields) == (key_of(new), key_of(former))
    assert keys(100, **fields) == (key_of(new),)
    assert "sealed" not in repr(Organization(OWNER, "Bakery", **fields))


def test_each_of_several_former_secrets_signs() -> None:
    new, *former = (create_secret() for _ in range(4))
    fields: dict[str, Any] = {
        "relay_secret": VAULT.seal(new),
        "former_relay_secret": VAULT.seal(" ".join(former)),
        "former_relay_secret_until": datetime.fromtimestamp(100, UTC),
    }
    assert keys(99, **fields) == (key_of(new), *map(key_of, former))


def test_a_secret_whose_key_is_lost_gives_way_to_the_derived_one() -> None:
    sealed = VAULT.seal(create_secret())
    other = Vault(["another-encryption-key-of-a-test"])
    assert keys(0, other, relay_secret=sealed) == (key_of(default_secret("master", OWNER)),)


def test_an_organization_without_an_address_has_no_target() -> None:
    assert keys(0, forward_url=None) is None
