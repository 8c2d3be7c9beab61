"""One simulated replica: our real parts, put together over the models, in lives that end abruptly."""

import asyncio
import fcntl
import os
import random
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from policies.host.registration import RegisteredPolicy
from service.access.call_recorder import CallRecorder
from service.access.contested_calls import ContestedCalls
from service.access.corrected_calls import CorrectedCalls
from service.access.directory import AccessDirectory
from service.access.enforcement.call_cutter import CallCutter
from service.access.enforcement.call_owners import CallOwners
from service.access.enforcement.first_attempts import FirstAttempts
from service.access.enforcement.hangup_ladder import HangupLadder
from service.access.enforcement.hangup_sweep import HangupSweep
from service.access.enforcement.hangup_worker import HangupWorker, StoredHangups
from service.access.enforcement.missed_calls import CallWatch
from service.access.feed.directory_feed import DirectoryFeed
from service.access.gate import AccessGate
from service.access.policies.chain import AccessChain
from service.access.rulings import Ruling
from service.background import BackgroundLoop
from service.store.calls.spool import Spool
from service.store.calls.writer import CallWriter
from service.store.pool import UNAVAILABLE
from service.vapi.messages import ServerMessage
from tests.simulation.call_hangups import CallRules
from tests.simulation.feed_model import ModelSource
from tests.simulation.links import Link
from tests.simulation.loop import LIFE, Life, VirtualLoop
from tests.simulation.queue_model import ModelQueue
from tests.simulation.reconcilers import Reconcilers
from tests.simulation.stores import ModelCallStore, ModelStandings
from tests.simulation.vapi_model import ModelClient, ModelControl, VapiModel

LINKS = ("pool", "feed", "worker")
WATCH_SECONDS = 20.0
DESCRIPTORS = Path("/proc/self/fd")


@dataclass(eq=False, slots=True)
class Parts:
    """What one process holds in memory."""

    gate: AccessGate
    spool: Spool
    directory: AccessDirectory
    loops: list[BackgroundLoop]


@dataclass(eq=False)
class SimReplica:
    """A machine with a disk, on which one process after the other runs."""

    name: str
    loop: VirtualLoop
    rules: CallRules
    vapi: VapiModel
    policies: tuple[RegisteredPolicy, ...]
    folder: Path
    chance: random.Random
    watched: bool
    reconcilers: Reconcilers
    links: dict[str, Link] = field(default_factory=dict)
    life: Life | None = None
    died: "asyncio.Future[None] | None" = None
    parts: Parts | None = None
    buried: list[Life] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in LINKS:
            self.links[name] = Link(self.loop, self.chance, f"{self.name}.{name}")

    @property
    def ready(self) -> bool:
        return self.parts is not None and self.parts.directory.loaded

    @property
    def informed_at(self) -> float:
        """The moment before which every change has reached the directory."""
        return self.parts.directory.heartbeat_at if self.parts else float("-inf")

    def start(self) -> None:
        """Start a process; nothing but its spool is left of the one before."""
        self.life = Life(f"{self.name}.{len(self.buried) + 1}")
        self.buried.append(self.life)
        self.died = self.loop.create_future()
        self.enter(self.boot)

    def enter(self, work: Callable[[], Any]) -> Any:
        """Do something inside the process."""
        context = copy_context()

        def inside() -> Any:
            LIFE.set(self.life)
            return work()

        return context.run(inside)

    def boot(self) -> None:
        """Put the parts together, as `service.access.build` does, and start their loops."""
        store = ModelCallStore(self.rules, self.links["pool"])
        chain, directory = AccessChain(self.policies), AccessDirectory()
        client, control = ModelClient(self.vapi), ModelControl(self.vapi)
        standings = ModelStandings(self.rules.tables, self.links["pool"], chain)
        owners = CallOwners(store, client, directory, chain)
        ladder = HangupLadder(client, control, StoredHangups(store, owners))
        spool = Spool(self.folder, store)
        attempts = FirstAttempts(ladder)
        recorder = CallRecorder(store, CallWriter(store), spool, attempts)
        known = recorder.known
        corrected = CorrectedCalls(store, known)
        spool.on_stored = corrected.take
        cutter = CallCutter(store, directory, standings, attempts=attempts, known=known)
        source = ModelSource(self.rules.tables, self.links["feed"])
        feed = DirectoryFeed(source, None, directory)  # type: ignore[arg-type]
        feed.followers.append(cutter.wake)
        worker = HangupWorker("", None, ladder)  # type: ignore[arg-type]
        assert self.life is not None
        queue = ModelQueue(self.rules.tables, self.links["worker"], worker, self.life.name)
        interval = WATCH_SECONDS if self.watched else 0
        watch = CallWatch(
            store, client, directory, interval, owners, attempts=attempts, known=known
        )
        loops = [
            feed.background(),
            BackgroundLoop("worker", queue.session, outages=UNAVAILABLE),
            spool.background(),
            HangupSweep(store, ladder).background(),
            cutter.background(),
            ContestedCalls(store, known).background(),
            corrected.background(),
            recorder.recent.background(),
            recorder.connected.background(),
            *watch.background(),
            *self.reconcilers.build(standings, self.links["pool"], self.links["worker"]),
        ]
        self.parts = Parts(AccessGate(directory, chain, recorder, owners), spool, directory, loops)
        for one in loops:
            one.start()

    def kill(self) -> None:
        """End the process between two steps: its memory is gone, its spool stays."""
        if self.life is None or self.parts is None or self.died is None:
            return
        self.life.dead = True
        self.parts = None
        for file in self.open_files():
            # The kernel would close them. The dead tasks still hold the numbers and close them later.
            fcntl.flock(file, fcntl.LOCK_UN)
        for link in self.links.values():
            link.cut()
        self.died.set_result(None)

    def freeze(self) -> None:
        """Let the process stand still, as a machine that is suspended; its connections stay."""
        if self.life is not None:
            self.life.frozen = True

    def thaw(self) -> None:
        """Let it go on."""
        for life in self.buried:
            if life.frozen:
                self.loop.thaw(life)

    def open_files(self) -> list[int]:
        """Descriptors of files in the folder of the spool, whichever part of a process holds them."""
        found = []
        for name in DESCRIPTORS.iterdir():
            with suppress(OSError):
                if name.readlink().is_relative_to(self.folder):
                    found.append(int(name.name))
        return found

    def close(self) -> None:
        """Close the files of every process, after the seed."""
        self.parts = None
        for file in self.open_files():
            with suppress(OSError):
                os.close(file)

    async def handle(self, message: ServerMessage, proved: UUID | None) -> Ruling | None:
        """Let the gate rule on a message; None if the process dies meanwhile, or is not running.
        `proved`: the organization whose own secret it carries; None: the master."""
        if self.parts is None or self.died is None or not self.ready:
            return None
        gate, died = self.parts.gate, self.died
        handle = partial(gate.handle, message, proved)
        task: asyncio.Task[Ruling] = self.enter(lambda: self.loop.create_task(handle()))
        futures: set[asyncio.Future[Any]] = {task, died}
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
