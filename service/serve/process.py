"""The serving process: its sockets, the embedded PostgreSQL, the sandbox, and signals."""

import asyncio
import ctypes
import gc
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
import uvloop

from policies.host.isolation import LEFT_BEHIND
from service.domain.conditions import Condition
from service.sandbox import samples
from service.sandbox.printed_calls import PrintedCalls
from service.sandbox.profile import SandboxProfile, find_profile, keep_profile
from service.sandbox.server import SandboxVapi
from service.serve.addresses import admin_url
from service.serve.announce import announce
from service.serve.database import Database, StartError
from service.serve.degraded import prepare
from service.serve.embedded import start_embedded
from service.serve.embedded_conditions import EmbeddedConditions
from service.serve.ending import Ending
from service.serve.late_check import LateCheck
from service.serve.listeners import bind_all, listening
from service.serve.replica import Start, load_required, running
from service.serve.workers import supervise
from service.settings import Settings
from service.store.installation import Mode
from service.store.organizations.snapshot import DirectorySnapshot
from service.store.postgres.guard import PostgresGuard
from service.store.postgres.guard_state import SharedState
from service.store.postgres.server import EmbeddedPostgres

M_MMAP_THRESHOLD = -3
LARGE_BYTES = 256 * 1024
FULL_COLLECTION_AFTER = 200
"""Collections of the middle generation before a full one; Python's default is 10."""

APPEARS_AFTER_SECONDS = 0.3
"""How long a call of the sandbox is not found yet: Vapi warns of it and gives no figure."""

log = structlog.get_logger()


def serve(
    settings: Settings,
    *,
    mode: Mode,
    workers: int = 1,
    reuse_port: bool = False,
    metrics_socket: Path | None = None,
    guarded: SharedState | None = None,
) -> None:
    """Serve until a signal ends the process. Raises `StartError` or `EmbeddedPostgresError`.

    `mode` is the mode of the database: a worker of the sandbox has no sandbox of its own. A worker has
    `metrics_socket`, where it gives its metrics to others, and `guarded`, the state of the supervisor's
    embedded server.
    """
    gc.disable()  # until `calm_collector`: what a start makes is there to stay
    settings, sockets = bind_all(settings, reuse_port=reuse_port or workers > 1)
    guard: PostgresGuard | None = None
    database = Database.of_settings(settings)
    if not database.dsn:
        guard = start_embedded(settings, EmbeddedPostgres(settings.callgate_data_dir))
        database = Database.of_embedded(guard.server.dsn)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            watched = Watched(guard, guarded)
            work = main(
                settings,
                database,
                sockets,
                watched,
                mode=mode,
                workers=workers,
                metrics_socket=metrics_socket,
            )
            runner.run(work)
    finally:
        close(sockets)
        if guard is not None:
            guard.server.stop()
    end_with_tasks_left_behind()


def end_with_tasks_left_behind() -> None:
    """End the process at once if tasks of policies still run: dropping them, as Python does at its end,
    may never return."""
    if LEFT_BEHIND:
        log.warning("service.left_policies_behind", tasks=len(LEFT_BEHIND))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


@dataclass(frozen=True, slots=True)
class Watched:
    """The embedded server: guarded by this process, or by its supervisor."""

    guard: PostgresGuard | None = None
    supervised: SharedState | None = None

    def conditions(self) -> Iterable[Condition]:
        """Whether it runs, for the conditions of this process."""
        state = self.supervised if self.guard is None else self.guard.shared
        return () if state is None else EmbeddedConditions(state.read).read()


async def main(
    settings: Settings,
    database: Database,
    sockets: list[socket.socket],
    watched: Watched,
    *,
    mode: Mode,
    workers: int,
    metrics_socket: Path | None = None,
) -> None:
    """Prepare the database, start the sandbox, serve; what needs the event loop."""
    ending = Ending()
    ending.on_signals()
    prepared = await ending.unless_begun(prepare(settings, database, mode))
    if prepared is None:
        return
    snapshot, late = prepared
    policies = await ending.unless_begun(load_required(settings))
    if policies is None:
        return
    start = build_start(database.direct, snapshot, late, watched)
    start = replace(start, policies=policies, metrics_socket=metrics_socket)
    if late is not None:
        late.on_refusal = ending.stop
    dsn = database.dsn
    async with AsyncExitStack() as stack:
        printed = None
        if settings.sandbox:
            sandbox = await start_sandbox(settings, stack)
            settings = settings.model_copy(
                update={
                    "vapi_api_url": sandbox.base_url,
                    "vapi_control_hosts": (*settings.vapi_control_hosts, sandbox.base_url),
                }
            )
            printed = remember_sandbox(settings, sandbox)
            stack.callback(asyncio.create_task(printed.follow()).cancel)

        async def ready() -> None:
            await announce(settings, printed, database.session_dsn if late is None else None)

        if workers > 1:
            close(sockets)
            calm_collector()
            guard = watched.guard
            shared = None if guard is None else guard.shared
            await supervise(
                settings, dsn, workers, ending, ready, loops=start.loops, guarded=shared
            )
        else:
            await serve_here(settings, dsn, sockets, ending, ready, start=start)
    if late is not None and late.refused is not None:
        raise late.refused


def build_start(
    direct: str,
    snapshot: DirectorySnapshot | None,
    late: LateCheck | None,
    watched: Watched,
) -> Start:
    """What watches the PostgreSQL of this process."""
    loops = [part.background() for part in (late, watched.guard) if part is not None]
    return Start(direct, snapshot, loops=tuple(loops), conditions=watched.conditions)


async def start_sandbox(settings: Settings, stack: AsyncExitStack) -> SandboxVapi:
    """Start the local Vapi; its numbers persist over restarts, like the database beside them, and so
    does a port that was chosen for it, while it is free."""
    settings.callgate_data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    port = settings.callgate_sandbox_port
    kept = find_profile(settings.callgate_data_dir)
    sandbox = None
    if port == 0 and kept is not None and kept.port is not None:
        with suppress(OSError):
            sandbox = await listen_as_vapi(settings, kept.port)
    try:
        sandbox = sandbox or await listen_as_vapi(settings, port)
    except OSError as exc:
        text = f"The sandbox cannot listen on CALLGATE_SANDBOX_PORT {port}: {exc.strerror}."
        raise StartError(f"{text} Choose another, or 0 for any free one.") from None
    stack.push_async_callback(sandbox.stop)
    return sandbox


async def listen_as_vapi(settings: Settings, port: int) -> SandboxVapi:
    """A sandbox on this port; 0: on any free one. Raises `OSError`."""
    sandbox = SandboxVapi(
        api_key=settings.vapi_api_key.get_secret_value(),
        state_path=settings.callgate_data_dir / "sandbox.json",
        seed=samples.seed,
        appears_after=APPEARS_AFTER_SECONDS,
    )
    await sandbox.start(port=port)
    return sandbox


def remember_sandbox(settings: Settings, sandbox: SandboxVapi) -> PrintedCalls:
    """Keep how to reach the sandbox for commands and the next start; returns its printed calls."""
    token, folder = settings.callgate_admin_token.get_secret_value(), settings.callgate_data_dir
    new = find_profile(folder) is None
    profile = SandboxProfile(
        token,
        sandbox.base_url,
        settings.webhook_url,
        settings.callgate_host,
        str(settings.callgate_port),
        settings.callgate_admin_host or "",
        str(settings.callgate_admin_port or ""),
    )
    keep_profile(folder, profile)
    return PrintedCalls(sandbox, admin_url(settings), token, new)


async def serve_here(
    settings: Settings,
    dsn: str,
    sockets: list[socket.socket],
    ending: Ending,
    ready: Callable[[], Awaitable[None]],
    *,
    start: Start,
) -> None:
    """Serve in this process until it ends; then drain."""
    seconds = settings.callgate_shutdown_seconds
    async with running(settings, dsn, start) as replica:
        async with listening(replica, sockets, shutdown_seconds=seconds, hastened=ending.hastened):
            calm_collector()
            return_memory()
            warming = asyncio.create_task(replica.web.warm_up())
            try:
                log.info("service.started", port=settings.callgate_port, pid=os.getpid())
                await ready()
                await ending.begun.wait()
            finally:
                warming.cancel()
                replica.drain()
                await ending.drain(settings.callgate_drain_seconds)
        log.info("service.ended")


def close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


def return_memory() -> None:
    """Let glibc return the memory of large bodies to the system as soon as they are answered.

    By itself it raises this threshold with the first large body, and keeps twice as much from then on.
    """
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def calm_collector() -> None:
    """Make full garbage collections short and rare: one over all objects blocks every caller for
    about 100 ms. Objects of the start are left out, with the few that are garbage by then; later ones
    are examined less often."""
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, FULL_COLLECTION_AFTER)
    gc.enable()
