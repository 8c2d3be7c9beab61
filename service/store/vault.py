"""Foreign secrets that are kept for a release, encrypted at rest (Fernet: AES-128-CBC with an HMAC).

Only values are encrypted, each by itself: without the key everything else is still restored.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.domain.fingerprint import fingerprint
from service.settings import Settings

MARK = "sealed.v1."
MASK = "**********"
"""What is shown in the place of a sealed value."""
KEY_FILE = "encryption.key"
PURPOSE = b"callgate:encryption"
SECRET_KEYS = ("secret", "serverUrlSecret")
"""Keys of a `server` block whose values are secret, besides the values of all headers."""


class Vault:
    """Encrypts with the first key and decrypts with any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.ciphers = {fingerprint(key): Fernet(derive(key)) for key in keys}
        self.keys = tuple(keys)
        self.first = fingerprint(keys[0])

    @property
    def key_ids(self) -> list[str]:
        """Fingerprints of the keys, as they stand in sealed values."""
        return list(self.ciphers)

    def seal(self, value: object) -> object:
        """Encrypt a value. One under an older key is encrypted anew; None and lost ones stay."""
        if value is None or self.is_current(value):
            return value
        if is_sealed(value):
            opened = self.open(value)
            return value if opened is None else self.seal(opened)
        token = self.ciphers[self.first].encrypt(orjson.dumps(value)).decode()
        return f"{MARK}{self.first}.{token}"

    def is_current(self, value: object) -> bool:
        """Whether a value is sealed with the first key."""
        return isinstance(value, str) and value.startswith(f"{MARK}{self.first}.")

    def open(self, value: object) -> Any:
        """Decrypt a value; None if its key is lost. A plain value is returned as it is."""
        if not isinstance(value, str) or not value.startswith(MARK):
            return value
        key, _, token = value.removeprefix(MARK).partition(".")
        try:
            return orjson.loads(self.ciphers[key].decrypt(token.encode()))
        except (KeyError, InvalidToken):
            return None

    def seal_kept(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """Encrypt the secrets of kept fields; `kept` has the `server` block under that name."""
        server = kept.get("server")
        if not isinstance(server, Mapping):
            return dict(kept)
        sealed = {name: self.seal(server[name]) for name in SECRET_KEYS if name in server}
        headers = server.get("headers")
        if isinstance(headers, Mapping):
            sealed["headers"] = {name: self.seal(value) for name, value in headers.items()}
        return {**kept, "server": {**server, **sealed}}

    def open_kept(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """Decrypt the secrets of kept fields; those whose key is lost are left out."""
        server = kept.get("server")
        if not isinstance(server, Mapping):
            return dict(kept)
        opened = {name: value for name, value in server.items() if not self.is_lost(name, value)}
        opened |= {name: self.open(opened[name]) for name in SECRET_KEYS if name in opened}
        headers = server.get("headers")
        if isinstance(headers, Mapping):
            opened["headers"] = {
                name: self.open(value) for name, value in headers.items() if not self.lost(value)
            }
        return {**kept, "server": opened}

    def has_lost(self, kept: Mapping[str, Any]) -> bool:
        """Whether kept fields hold a secret that cannot be decrypted."""
        server = kept.get("server")
        if not isinstance(server, Mapping):
            return False
        headers = server.get("headers")
        values = list(headers.values()) if isinstance(headers, Mapping) else []
        return any(self.lost(value) for value in [*values, *map(server.get, SECRET_KEYS)])

    def is_lost(self, name: str, value: object) -> bool:
        """Whether a key of the block holds a secret that cannot be decrypted."""
        return name in SECRET_KEYS and self.lost(value)

    def lost(self, value: object) -> bool:
        """Whether a value cannot be decrypted."""
        return is_sealed(value) and self.open(value) is None


def is_sealed(value: object) -> bool:
    """Whether a value is encrypted, with whatever key."""
    return isinstance(value, str) and value.startswith(MARK)


def mask_sealed(value: object) -> Any:
    """The same value, with a mask in the place of each sealed one."""
    if isinstance(value, Mapping):
        return {name: mask_sealed(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [mask_sealed(one) for one in value]
    return MASK if is_sealed(value) else value


def derive(key: str) -> bytes:
    """A Fernet key from a secret of any length, by HKDF."""
    derived = HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(key.encode())
    return base64.urlsafe_b64encode(derived)


def open_vault(settings: Settings) -> Vault:
    """The vault of this installation, the same in every replica.

    The keys are CALLGATE_ENCRYPTION_KEY; else, with a DATABASE_URL, derived from the webhook secrets,
    which all replicas share; else those of a file in the data folder, created on first use.
    """
    if settings.encryption_keys:
        return Vault(settings.encryption_keys)
    if settings.database_url.get_secret_value() and settings.webhook_secrets:
        return Vault(settings.webhook_secrets)
    return Vault([read_key_file(settings.callgate_data_dir / KEY_FILE)])


def read_key_file(path: Path) -> str:
    """The key in a file that only its owner may read; created if there is none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return create_key_file(path)


def create_key_file(path: Path) -> str:
    """Create the file whole or not at all; of two processes at once, one wins."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, Fernet.generate_key() + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    try:
        path.hardlink_to(unfinished)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
    return path.read_text().strip()
