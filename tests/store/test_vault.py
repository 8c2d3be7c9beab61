"""Secrets at rest: encrypted by value, with several keys, and every replica finds the same ones."""

import stat
from pathlib import Path
from typing import Any

import pytest

from service.settings import SettingsError
from service.store.vault import KEY_FILE, Vault, open_vault
from tests.support.settings import settings_for

OLD, NEW = "the old key of all these tests", "the new key of all these tests"
BLOCK: dict[str, Any] = {
    "url": "https://crm.example.net/hook",
    "headers": {"Authorization": "Bearer the-canary", "X-Count": 3, "X-Empty": None},
    "secret": "the-canary-secret",
}
KEPT = {"server": BLOCK, "name": "Bakery"}


def test_secrets_are_encrypted_and_the_rest_is_readable() -> None:
    sealed = Vault([OLD]).seal_kept(KEPT)
    assert "canary" not in repr(sealed)
    assert sealed["server"]["url"] == BLOCK["url"]
    assert list(sealed["server"]["headers"]) == list(BLOCK["headers"])
    assert sealed["name"] == "Bakery"
    assert Vault([OLD]).open_kept(sealed) == KEPT


def test_sealing_twice_changes_nothing() -> None:
    vault = Vault([OLD])
    sealed = vault.seal_kept(KEPT)
    assert vault.seal_kept(sealed) == sealed


def test_a_new_key_encrypts_anew_what_the_old_one_encrypted() -> None:
    rotated = Vault([NEW, OLD]).seal_kept(Vault([OLD]).seal_kept(KEPT))
    assert Vault([NEW]).open_kept(rotated) == KEPT


def test_without_the_key_all_but_the_secrets_is_left() -> None:
    sealed = Vault([OLD]).seal_kept(KEPT)
    other = Vault([NEW])
    assert other.has_lost(sealed)
    assert other.open_kept(sealed)["server"] == {"url": BLOCK["url"], "headers": {"X-Empty": None}}
    assert other.seal_kept(sealed) == sealed


def test_blocks_without_secrets_pass() -> None:
    vault = Vault([OLD])
    blocks: tuple[dict[str, Any], ...] = (
        {"server": None},
        {"hooks": []},
        {"server": {"url": "https://a.example"}},
    )
    for kept in blocks:
        assert vault.open_kept(vault.seal_kept(kept)) == kept
        assert not vault.has_lost(kept)


def test_the_keys_come_from_the_setting_the_webhook_secret_or_a_private_file(
    tmp_path: Path,
) -> None:
    url = {"database_url": "postgresql://db/callgate"}
    given = settings_for(tmp_path, "http://127.0.0.1:9", callgate_encryption_key=f"{NEW},{OLD}")
    assert open_vault(given).keys == (NEW, OLD)
    shared = settings_for(tmp_path, "http://127.0.0.1:9", callgate_encryption_key="", **url)
    assert open_vault(shared).keys == shared.webhook_secrets
    assert not (tmp_path / KEY_FILE).exists()
    alone = settings_for(tmp_path, "http://127.0.0.1:9", callgate_encryption_key="")
    assert open_vault(alone).keys == open_vault(alone).keys
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("key", ["short", "changeme-changeme-changeme", f"{OLD},short"])
def test_a_key_that_can_be_guessed_stops_the_start(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError, match="CALLGATE_ENCRYPTION_KEY"):
        settings_for(tmp_path, "http://127.0.0.1:9", callgate_encryption_key=key)
