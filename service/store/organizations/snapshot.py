"""The snapshot: the access directory in a file, so that a replica can start while PostgreSQL is away.

Lines of JSON: a head, the entries in batches, and an HMAC over all lines before it. The file belongs
to one database and one version of its format; any other file counts as absent.
"""

import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec

from service.domain.fingerprint import fingerprint
from service.domain.policies.choices import GeneralChoice, GeneralChoices
from service.store.organizations.directory import DirectoryEntry

FORMAT = 1
PURPOSE = b"callgate:snapshot"
BATCH = 500
MOST_BYTES = 2**30


class SnapshotError(Exception):
    """The file is no snapshot of this installation; the message says why."""


class Head(msgspec.Struct):
    """The first line. Every change before `as_of`, by the database's clock, is in the entries."""

    format: int
    database: str
    as_of: datetime
    entries: int
    choices: dict[str, GeneralChoice] = {}


@dataclass(frozen=True, slots=True)
class DirectorySnapshot:
    """What decided calls at `as_of`, by the database's clock; `choices` are those about policies for
    all organizations."""

    as_of: datetime
    entries: tuple[DirectoryEntry, ...]
    choices: GeneralChoices = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """The file at `path`, of the database named `database`. The first of `keys` signs, any verifies."""

    path: Path
    keys: Sequence[str]
    database: str

    def write(self, snapshot: DirectorySnapshot) -> None:
        """Write the file whole or not at all, readable to its owner only. Blocks; raises `OSError`."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
                signature = signer(self.keys[0])
                for line in dump_lines(self.database, snapshot):
                    signature.update(line)
                    file.write(line)
                file.write(signature.hexdigest().encode())
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self.path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def read(self) -> DirectorySnapshot | None:
        """Read and verify the file; None if there is none. Blocks. Raises `SnapshotError`."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as file:
                data = file.read(MOST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise SnapshotError(f"it cannot be read: {exc.strerror}") from None
        signed, _, signature = data.rpartition(b"\n")
        signed += b"\n"
        if not any(is_signed(key, signed, signature) for key in self.keys):
            raise SnapshotError("its signature is wrong: it is incomplete, changed, or another's")
        return self.parse(signed)

    def parse(self, signed: bytes) -> DirectorySnapshot:
        """The contents of a signed file. Raises `SnapshotError`."""
        first, *lines = signed.splitlines()
        try:
            head = msgspec.json.decode(first, type=Head)
            if head.format != FORMAT:
                raise SnapshotError(f"its format is {head.format}, and this version needs {FORMAT}")
            if head.database != self.database:
                raise SnapshotError("it belongs to another database")
            decoder = msgspec.json.Decoder(list[DirectoryEntry])
            entries = tuple(entry for line in lines for entry in decoder.decode(line))
        except msgspec.DecodeError as exc:
            raise SnapshotError(f"another version of Callgate wrote it: {exc}") from None
        return DirectorySnapshot(head.as_of, entries, head.choices)


def dump_lines(database: str, snapshot: DirectorySnapshot) -> Iterator[bytes]:
    """The lines to sign. Batches keep each hold of the interpreter's lock short."""
    choices = dict(snapshot.choices)
    head = Head(FORMAT, database, snapshot.as_of, len(snapshot.entries), choices)
    yield msgspec.json.encode(head) + b"\n"
    for batch in batches(snapshot.entries):
        yield msgspec.json.encode(batch) + b"\n"


def batches(entries: Sequence[DirectoryEntry]) -> Iterable[Sequence[DirectoryEntry]]:
    return (entries[start : start + BATCH] for start in range(0, len(entries), BATCH))


def signer(key: str) -> "hmac.HMAC":
    """An HMAC under a key of its own, derived from one of the installation's."""
    derived = hmac.digest(key.encode(), PURPOSE, hashlib.sha256)
    return hmac.new(derived, digestmod=hashlib.sha256)


def is_signed(key: str, signed: bytes, signature: bytes) -> bool:
    """Whether the signature is that of `key`, compared in constant time."""
    found = signer(key)
    found.update(signed)
    return hmac.compare_digest(found.hexdigest().encode(), signature)


def name_database(dsn: str) -> str:
    """A short name of the database that an address leads to; its role and password do not count."""
    if not dsn:
        return "embedded"
    parts = urlsplit(dsn)
    hosts = sorted(value for name, value in parse_qsl(parts.query) if name in ("host", "port"))
    place = parts.netloc.rpartition("@")[2].lower()
    return fingerprint(" ".join([place, parts.path, *hosts]))
