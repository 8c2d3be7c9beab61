"""Stores resources of one kind, by id and in the order of creation.

Listing 100,000 of them by pages has to be quick, so the order is maintained and each object's JSON
is encoded once. Nothing here knows HTTP or the meaning of the objects.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from service.sandbox.clock import parse_instant

Json = dict[str, Any]


@dataclass(slots=True)
class Record:
    """One resource. `data` is replaced, never changed in place, so that `body` stays correct."""

    data: Json
    created_ms: int
    updated_ms: int
    before: bytes | None = None
    encoded: bytes | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        return str(self.data["id"])

    @property
    def body(self) -> bytes:
        """The resource as JSON. Vapi shows the secret of a server only as a flag."""
        if self.encoded is None:
            server = self.data.get("server")
            if isinstance(server, dict) and server.get("secret"):
                shown = {key: value for key, value in server.items() if key != "secret"}
                flagged = {"server": shown, "isServerUrlSecretSet": True}
                self.encoded = orjson.dumps(self.data | flagged)
            else:
                self.encoded = orjson.dumps(self.data)
        return self.encoded

    def read(self, *, stale: bool = False) -> bytes:
        """The answer to a GET; with `stale` the state before the last change."""
        return self.before if stale and self.before is not None else self.body


class Shelf:
    """All resources of one kind. `changed` is called after every change."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self.records: dict[str, Record] = {}
        self.order: list[tuple[int, str]] = []
        self.changed = changed

    def __len__(self) -> int:
        return len(self.records)

    def __contains__(self, key: object) -> bool:
        return key in self.records

    def __iter__(self) -> Iterator[Json]:
        """The objects, oldest first."""
        return (self.records[key].data for _, key in self.order)

    def find(self, key: str | None) -> Json | None:
        """The object with this id, or None."""
        record = self.records.get(key) if key else None
        return record.data if record else None

    def put(self, data: Json) -> Json:
        """Add an object, or replace the one with its id. The object brings its own instants."""
        created, updated = parse_instant(data["createdAt"]), parse_instant(data["updatedAt"])
        old = self.records.get(data["id"])
        record = Record(data, created, updated, before=old.body if old else None)
        if old is not None and old.created_ms != created:
            self.drop_from_order(old)
            old = None
        self.records[record.id] = record
        if old is None:
            insort(self.order, (created, record.id))
        self.changed()
        return data

    def remove(self, key: str) -> Json:
        """Remove an object. Raises `KeyError`."""
        record = self.records.pop(key)
        self.drop_from_order(record)
        self.changed()
        return record.data

    def drop_from_order(self, record: Record) -> None:
        """Remove a record from the order of creation."""
        del self.order[bisect_left(self.order, (record.created_ms, record.id))]

    def newest_first(self, since_ms: int, until_ms: int) -> Iterator[Record]:
        """The records created in a span of time, both ends included."""
        first = bisect_left(self.order, (since_ms, ""))
        last = bisect_left(self.order, (until_ms + 1, ""))
        return (self.records[self.order[at][1]] for at in range(last - 1, first - 1, -1))

    def slice(self, start: int, count: int, *, descending: bool = True) -> list[Record]:
        """One page of the unfiltered list, without iterating over the pages before it."""
        if descending:
            stop = max(len(self.order) - start, 0)
            keys = reversed(self.order[max(stop - count, 0) : stop])
        else:
            keys = iter(self.order[start : start + count])
        return [self.records[key] for _, key in keys]
