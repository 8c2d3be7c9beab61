"""The messages of one organization that wait for its server. Pure: no I/O, no clock.

`put`, `take`, `put_back` and `finish` are all that delivery needs, so that a durable store can take the
place of the memory.
"""

import itertools
import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from service.relay.shares import FairShare

SMALL = 64 * 1024


@dataclass(frozen=True, slots=True)
class RelayMessage:
    """A message for an organization's server. `received_at` is on the clock of the queue's user;
    `number` is its place among the messages of the organization."""

    organization_id: UUID
    url: str
    body: bytes
    headers: Mapping[str, str]
    call_id: str | None = None
    is_lasting: bool = True
    received_at: float = 0.0
    attempts: int = 0
    number: int = 0

    @property
    def call(self) -> str:
        """What is delivered in order: a call; messages without a call are one."""
        return self.call_id or ""


Messages = OrderedDict[int, RelayMessage]


class RelayQueue:
    """Waiting messages, in the order of their call; calls take turns.

    Of each call at most one message is under way. A full queue drops the oldest message that does not
    last, then the oldest lasting one; never one that is under way. The newest message may exceed the
    limit of bytes.
    """

    def __init__(self, most_messages: int, most_bytes: int, share: FairShare | None = None) -> None:
        """`share` counts the bytes of all queues together."""
        self.most_messages = most_messages
        self.most_bytes = most_bytes
        self.share = share or FairShare(sys.maxsize)
        self.numbers = itertools.count(1)
        self.kinds: dict[bool, Messages] = {False: OrderedDict(), True: OrderedDict()}
        self.calls: dict[str, Messages] = {}
        self.ready: OrderedDict[str, None] = OrderedDict()
        self.under_way: dict[str, RelayMessage] = {}
        self.held_bytes = 0

    @property
    def waiting(self) -> int:
        """How many messages wait; those under way are not counted."""
        return len(self.kinds[False]) + len(self.kinds[True])

    @property
    def oldest_at(self) -> float | None:
        """When the oldest waiting message was received."""
        oldest = [found.received_at for kind in self.kinds if (found := self.oldest(kind))]
        return min(oldest, default=None)

    def has_room(self, size: int) -> bool:
        """Whether a message of this size may be held; an empty queue always has room for a small one."""
        if not self.held_bytes and size <= SMALL:
            return True
        shared = self.share.used + size <= self.share.total and self.share.allows(self.held_bytes)
        return shared and self.held_bytes < self.most_bytes

    def hold(self, size: int) -> None:
        """Count bytes that are held from now on; negative: no longer."""
        self.held_bytes += size
        self.share.take(size)

    def put(self, message: RelayMessage) -> list[RelayMessage]:
        """Add a message; returns those that were dropped, which may be this one."""
        dropped: list[RelayMessage] = []
        while self.waiting >= self.most_messages or not self.has_room(len(message.body)):
            victim = self.oldest(is_lasting=False)
            if victim is None and message.is_lasting:
                victim = self.oldest(is_lasting=True)
            if victim is None:
                return [*dropped, message]
            self.remove(victim)
            self.hold(-len(victim.body))
            dropped.append(victim)
        self.insert(replace(message, number=next(self.numbers)))
        self.hold(len(message.body))
        return dropped

    def take(self) -> RelayMessage | None:
        """The next message of a call that has none under way."""
        if not self.ready:
            return None
        call, _ = self.ready.popitem(last=False)
        message = next(iter(self.calls[call].values()))
        self.remove(message)
        self.under_way[call] = message
        return message

    def put_back(self, message: RelayMessage) -> None:
        """Let a message under way wait again, as the first of its call."""
        del self.under_way[message.call]
        self.insert(message)
        for messages in (self.kinds[message.is_lasting], self.calls[message.call]):
            messages.move_to_end(message.number, last=False)

    def finish(self, message: RelayMessage) -> None:
        """End a message under way, delivered or not."""
        del self.under_way[message.call]
        self.hold(-len(message.body))
        if message.call in self.calls:
            self.ready[message.call] = None

    def expire(self, received_before: float) -> list[RelayMessage]:
        """Drop and return the waiting messages received before an instant."""
        dropped = []
        for is_lasting in self.kinds:
            while (oldest := self.oldest(is_lasting)) and oldest.received_at < received_before:
                self.remove(oldest)
                self.hold(-len(oldest.body))
                dropped.append(oldest)
        return dropped

    def oldest(self, is_lasting: bool) -> RelayMessage | None:
        """The oldest waiting message of a kind."""
        return next(iter(self.kinds[is_lasting].values()), None)

    def insert(self, message: RelayMessage) -> None:
        self.kinds[message.is_lasting][message.number] = message
        self.calls.setdefault(message.call, OrderedDict())[message.number] = message
        if message.call not in self.under_way:
            self.ready[message.call] = None

    def remove(self, message: RelayMessage) -> None:
        del self.kinds[message.is_lasting][message.number]
        messages = self.calls[message.call]
        del messages[message.number]
        if not messages:
            del self.calls[message.call]
            self.ready.pop(message.call, None)
