"""Saves the resources between runs of the sandbox. Calls end with the process."""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import orjson
import structlog

from service.sandbox.collection import Json, Shelf

VERSION = 1
log = structlog.get_logger()


class StateFile:
    """One JSON file, replaced atomically: a crash leaves the old or the new one, never half."""

    def __init__(self, path: Path, shelves: Mapping[str, Shelf]) -> None:
        self.path = path
        self.shelves = shelves

    def load(self) -> bool:
        """Load the file. False if there is none; a broken one is renamed to `.broken`."""
        try:
            self.fill(orjson.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError) as exc:
            aside = self.path.with_suffix(self.path.suffix + ".broken")
            self.path.replace(aside)
            for shelf in self.shelves.values():
                shelf.records.clear()
                shelf.order.clear()
            log.warning("sandbox.state_unreadable", error=str(exc), kept_as=str(aside))
            return False
        return True

    def fill(self, state: Json) -> None:
        """Restore the saved resources. Raises `ValueError`, `KeyError` or `TypeError`."""
        if state["version"] != VERSION:
            raise ValueError(f"version {state['version']}")
        for name, shelf in self.shelves.items():
            for data in state.get(name, []):
                shelf.put(data)

    def save(self) -> None:
        """Write everything, readable by the owner only: servers have secrets in headers."""
        parts = [b'"version":%d' % VERSION]
        for name, shelf in self.shelves.items():
            bodies = b",\n".join(shelf.records[key].body for _, key in shelf.order)
            parts.append(b'"%b":[\n%b]' % (name.encode(), bodies))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(b"{" + b",\n".join(parts) + b"}\n")
            Path(name).replace(self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
