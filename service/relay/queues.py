"""The messages of one organization that wait for its server. Pure: no I/O, no clock."""

import itertools
import sys
from collections import OrderedDict
from dataclasses import dataclass, replace
from uuid import UUID

from service.relay.shares import FairShare

SMALL = 64 * 1024


@dataclass(frozen=True, slots=True)
class RelayMessage:
    """A message for an organization's server.

    `row` is where a lasting message is kept; `body` None: only there. `size` is the body's bytes.
    `received_at` is on the clock of the queue's user; `number` is its place among the messages of the
    organization. `is_probe`: it alone may reach a parked server.
    """

    organization_id: UUID
    webhook_id: str
    type: str
    content_type: str
    body: bytes | None
    decision_id: str | None = None
    call_id: str | None = None
    is_lasting: bool = False
    row: int = 0
    size: int = 0
    received_at: float = 0.0
    attempts: int = 0
    number: int = 0
    is_probe: bool = False

    @property
    def call(self) -> str:
        """What is delivered in order: a call; messages without a call are one."""
        return self.call_id or ""

    @property
    def held(self) -> int:
        """The bytes that it holds in memory."""
        return 0 if self.body is None else len(self.body)


Messages = OrderedDict[int, RelayMessage]


class RelayQueue:
    """Waiting messages, in the order of their call; calls take turns, those with lasting messages first.

    Of each call at most one message is under way. A full queue drops the oldest message that does not
    last; never one that is under way. Lasting messages are kept elsewhere: they always enter, without
    their body if there is no room for it.
    """

    def __init__(self, most_messages: int, most_bytes: int, share: FairShare | None = None) -> None:
        """`share` counts the bytes of all queues together."""
        self.most_messages = most_messages
        self.most_bytes = most_bytes
        self.share = share or FairShare(sys.maxsize)
        self.numbers = itertools.count(1)
        self.kinds: dict[bool, Messages] = {False: OrderedDict(), True: OrderedDict()}
        self.calls: dict[str, Messages] = {}
        self.lasting: dict[str, int] = {}
        self.ready: dict[bool, OrderedDict[str, None]] = {True: OrderedDict(), False: OrderedDict()}
        self.under_way: dict[str, RelayMessage] = {}
        self.held_bytes = 0

    @property
    def waiting(self) -> int:
        """How many messages wait; those under way are not counted."""
        return len(self.kinds[False]) + len(self.kinds[True])

    @property
    def is_ready(self) -> bool:
        """Whether a message may be taken."""
        return bool(self.ready[True] or self.ready[False])

    def has_place(self) -> bool:
        """Whether one more lasting message may wait here."""
        return len(self.kinds[True]) < self.most_messages

    def has_room(self, size: int) -> bool:
        """Whether a message of this size may be held; an empty queue always has room for a small one."""
        if not self.held_bytes and size <= SMALL:
            return True
        shared = self.share.used + size <= self.share.total and self.share.allows(self.held_bytes)
        return shared and self.held_bytes < self.most_bytes

    def could_fit(self, size: int) -> bool:
        """Whether there would be room if all messages that may be dropped were."""
        droppable = sum(message.held for message in self.kinds[False].values())
        held, used = self.held_bytes - droppable, self.share.used - droppable
        if not held and size <= SMALL:
            return True
        free = self.share.total - used
        return size <= free and held < min(free, self.most_bytes)

    def hold(self, size: int) -> None:
        """Count bytes that are held from now on; negative: no longer."""
        self.held_bytes += size
        self.share.take(size)

    def put(self, message: RelayMessage) -> list[RelayMessage]:
        """Add a message that does not last; returns those that were dropped, which may be this one."""
        size, dropped = message.held, list[RelayMessage]()
        if not self.has_room(size) and not self.could_fit(size):
            return [message]
        while self.waiting >= self.most_messages or not self.has_room(size):
            victim = self.oldest_passing()
            if victim is None:
                return [*dropped, message]
            self.remove(victim)
            self.hold(-victim.held)
            dropped.append(victim)
        self.insert(replace(message, number=next(self.numbers)))
        self.hold(size)
        return dropped

    def put_lasting(self, message: RelayMessage) -> None:
        """Add a lasting message, behind those of its call."""
        if not self.has_room(message.held):
            message = replace(message, body=None)
        self.insert(replace(message, number=next(self.numbers)))
        self.hold(message.held)

    def take(self) -> RelayMessage | None:
        """The next message of a call that has none under way."""
        ready = self.ready[True] or self.ready[False]
        if not ready:
            return None
        call = next(iter(ready))
        message = next(iter(self.calls[call].values()))
        self.under_way[call] = message
        self.remove(message)
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
        self.hold(-message.held)
        self.mark_ready(message.call)

    def give_up(self, call: str | None = None) -> list[RelayMessage]:
        """Take the waiting lasting messages out, of one call or of all; those under way stay."""
        given = [one for one in self.kinds[True].values() if call is None or one.call == call]
        for message in given:
            self.remove(message)
            self.hold(-message.held)
        return given

    def expire(self, received_before: float) -> list[RelayMessage]:
        """Drop and return the messages that wait since before an instant and do not last."""
        dropped = []
        while (oldest := self.oldest_passing()) and oldest.received_at < received_before:
            self.remove(oldest)
            self.hold(-oldest.held)
            dropped.append(oldest)
        return dropped

    def oldest_passing(self) -> RelayMessage | None:
        """The oldest waiting message that does not last."""
        return next(iter(self.kinds[False].values()), None)

    def insert(self, message: RelayMessage) -> None:
        call = message.call
        self.kinds[message.is_lasting][message.number] = message
        self.calls.setdefault(call, OrderedDict())[message.number] = message
        if message.is_lasting:
            self.lasting[call] = self.lasting.get(call, 0) + 1
        self.mark_ready(call)

    def remove(self, message: RelayMessage) -> None:
        call = message.call
        del self.kinds[message.is_lasting][message.number]
        messages = self.calls[call]
        del messages[message.number]
        if message.is_lasting:
            self.lasting[call] -= 1
            if not self.lasting[call]:
                del self.lasting[call]
        if not messages:
            del self.calls[call]
        self.mark_ready(call)

    def mark_ready(self, call: str) -> None:
        """Note whether a call has a message that may be taken, and of which kind it has any."""
        is_ready = call in self.calls and call not in self.under_way
        for kind, calls in self.ready.items():
            if is_ready and kind is (call in self.lasting):
                calls.setdefault(call)
            else:
                calls.pop(call, None)
