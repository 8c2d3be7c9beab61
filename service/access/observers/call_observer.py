"""One observer: a bounded queue and a daemon thread of its own, so that nothing that it does reaches a
call. Its failures are contained and counted; what does not fit into the queue is dropped and counted.
"""

import inspect
import threading
import time
from dataclasses import dataclass, replace
from queue import SimpleQueue
from uuid import UUID

import structlog

from policies.events import CallEvent
from policies.host.isolation import close, raised
from policies.host.registration import RegisteredObserver

MOST_WAITING = 1000
"""Events that wait for one observer."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ObserverHealth:
    """The counts of one observer in this replica, since the start.

    `failing` counts its failures in a row. `busy_seconds` is how long it has had its present event.
    `dropped_seconds` is how long ago it last lost one; None: never.
    """

    name: str
    plugin: str
    version: str
    observed: int
    failed: int
    dropped: int
    waiting: int
    failing: int
    last_failure: str | None
    busy_seconds: float
    dropped_seconds: float | None


class CallObserver:
    """Offered events by the event loop, which never waits; they are observed in their order."""

    def __init__(self, registered: RegisteredObserver, most: int = MOST_WAITING) -> None:
        self.registered = registered
        self.most = most
        # Neither side can keep the other waiting: it has no lock that a thread could hold.
        self.queue: SimpleQueue[CallEvent | None] = SimpleQueue()
        self.thread: threading.Thread | None = None
        self.stopping = False
        self.observed = self.failed = self.dropped = self.failing = 0
        self.last_failure: str | None = None
        self.busy_since: float | None = None
        self.dropped_at: float | None = None

    @property
    def health(self) -> ObserverHealth:
        """Its counts as of now."""
        now, busy, dropped = time.monotonic(), self.busy_since, self.dropped_at
        return ObserverHealth(
            self.registered.name,
            self.registered.plugin,
            self.registered.version,
            self.observed,
            self.failed,
            self.dropped,
            self.queue.qsize(),
            self.failing,
            self.last_failure,
            0.0 if busy is None else now - busy,
            None if dropped is None else now - dropped,
        )

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self.thread is not None and self.thread.is_alive()

    def start(self) -> None:
        """Start the thread. Never raises: without one, events are dropped."""
        name = f"observer-{self.registered.name}"[:60]
        thread = threading.Thread(target=self.run, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            log.exception("observer.not_started", observer=self.registered.name)
        else:
            self.thread = thread

    def offer(self, event: CallEvent) -> None:
        """Hand over a copy of an event, or drop it. Returns at once."""
        if self.stopping or self.queue.qsize() >= self.most:
            self.dropped += 1
            self.dropped_at = time.monotonic()
            if is_worth_logging(self.dropped):
                log.warning("observer.dropped", observer=self.registered.name, dropped=self.dropped)
            return
        self.queue.put(copy_event(event))

    def finish(self) -> None:
        """Take no more events; the thread ends after those that wait."""
        self.stopping = True
        self.queue.put(None)

    def run(self) -> None:
        """Observe until finished, in the thread."""
        while (event := self.queue.get()) is not None:
            self.busy_since = time.monotonic()
            try:
                self.observe(event)
            except BaseException as exc:  # SystemExit of a plugin as well
                self.note_failure(str(raised(exc)))
            else:
                self.observed += 1
                self.failing = 0
            finally:
                self.busy_since = None

    def observe(self, event: CallEvent) -> None:
        """Call the plugin. Raises whatever it raises, and `TypeError` if it is to be awaited."""
        answers = self.registered.observe(event)
        for answer in answers if isinstance(answers, list) else ():
            if inspect.isawaitable(answer):
                close(answer)
                raise TypeError("on_call_event is to be awaited")

    def note_failure(self, failure: str) -> None:
        self.failed += 1
        self.failing += 1
        self.last_failure = failure
        if is_worth_logging(self.failing):
            log.warning(
                "observer.failed",
                observer=self.registered.name,
                plugin=self.registered.plugin,
                error=failure,
                failures=self.failing,
            )


def is_worth_logging(count: int) -> bool:
    """Whether to log this one of many: the first, the second, the fourth and so on."""
    return count & (count - 1) == 0


def copy_event(given: CallEvent) -> CallEvent:
    """The same event in new objects: code that insists can change a frozen one."""
    decision, owner = given.decision, given.organization_id
    return replace(
        given,
        organization_id=None if owner is None else UUID(int=owner.int),
        decision=None if decision is None else replace(decision, id=UUID(int=decision.id.int)),
    )
