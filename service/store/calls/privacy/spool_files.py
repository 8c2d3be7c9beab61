"""A caller's number in the files of the spools on this machine.

Records and messages on their way to PostgreSQL are there for moments, or while it is down; a file that
a process writes is never changed by another. Rejected records stay for an operator, without the number.
"""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from service.domain.relay.messages import KeptMessage

DECODER = msgspec.json.Decoder(KeptMessage)

Work = Callable[[Path, str], int]
"""Counts or changes records in a folder that have a number."""

REJECTED = "refused"
"""The file of the records that PostgreSQL rejected."""


def spelled(number: str) -> bytes:
    """The number as the files have it: a whole JSON text."""
    return msgspec.json.encode(number)


def count_waiting(folder: Path, number: str) -> int:
    """How many lines on their way to PostgreSQL have the number."""
    found, text = 0, spelled(number)
    for path in folder.glob("*.jsonl"):
        with suppress(FileNotFoundError):
            found += sum(text in line for line in path.read_bytes().splitlines())
    return found


def count_messages(folder: Path, number: str) -> int:
    """How many messages on their way to PostgreSQL have the number, however it is written: of one in
    E.164 the digits. A line cut short by a crash is no message."""
    found, text = 0, number.removeprefix("+").encode()
    for path in folder.glob("*.jsonl"):
        with suppress(FileNotFoundError), path.open("rb") as file:
            for line in file:
                with suppress(msgspec.MsgspecError):
                    found += text in DECODER.decode(line).body
    return found


def count_rejected(folder: Path, number: str) -> int:
    """How many rejected records have the number."""
    try:
        lines = (folder / REJECTED).read_bytes().splitlines()
    except FileNotFoundError:
        return 0
    return sum(spelled(number) in line for line in lines)


def forget_rejected(folder: Path, number: str) -> int:
    """Remove the number from the rejected records; how many had it. Writers wait for the lock."""
    try:
        file = os.open(folder / REJECTED, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        content = os.pread(file, os.fstat(file).st_size, 0)
        text = spelled(number)
        found = sum(text in line for line in content.splitlines())
        if found:
            kept = content.replace(text, spelled(""))
            os.pwrite(file, kept, 0)
            os.ftruncate(file, len(kept))
            os.fdatasync(file)
    finally:
        os.close(file)
    return found
