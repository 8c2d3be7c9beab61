"""Worker processes that share the port: started, restarted after they die, ended together."""

import asyncio
import ctypes
import math
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp
import structlog

from service.background import Background, BackgroundLoop
from service.serve.addresses import admin_url
from service.serve.ending import FROM_SUPERVISOR, Ending
from service.settings import Settings
from service.store.installation import Mode
from service.store.postgres.guard_state import SharedState
from service.store.postgres.run_folders import PLACES, RunFolders
from service.store.vault import open_vault

FOLDERS = "worker-folders"
"""The file of the data folder that lists where workers meet."""
RESPAWN_SECONDS = 1.0
PR_SET_PDEATHSIG = 1
OWNER_URL = "CALLGATE_MIGRATION_DATABASE_URL"
"""Withheld from workers: the supervisor has migrated."""

log = structlog.get_logger()


class WorkerDiedError(Exception):
    """A worker process ended unasked."""


class Worker:
    """One place for a worker process."""

    def __init__(
        self,
        number: int,
        environment: Mapping[str, str],
        folder: Path | None,
        mode: Mode = "real",
        guarded: SharedState | None = None,
    ) -> None:
        self.number = number
        self.environment = environment
        self.options = ["--worker-of", mode]
        if folder is not None:
            self.options += ["--metrics-socket", str(folder / str(number))]
        self.inherited = [] if guarded is None else [guarded.descriptor]
        for descriptor in self.inherited:
            self.options += ["--postgres-state", str(descriptor)]
        self.process: asyncio.subprocess.Process | None = None
        self.ending = False

    @property
    def name(self) -> str:
        """The name of its loop."""
        return f"worker_{self.number}"

    def background(self) -> BackgroundLoop:
        """One process after the other."""
        return BackgroundLoop(
            self.name,
            self.run_process,
            interval=math.inf,
            outages=(WorkerDiedError,),
            finish=self.finish,
            first_pause=RESPAWN_SECONDS,
        )

    async def run_process(self) -> None:
        """Run a process until it ends. Raises `WorkerDiedError` if that was unasked."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "service", "serve", *self.options),
            env=self.environment,
            pass_fds=self.inherited,
            preexec_fn=end_with_parent,
        )
        self.process = process
        if self.ending:
            self.finish()
        code = await process.wait()
        if not self.ending:
            log.error("worker.died", pid=process.pid, code=code)
            raise WorkerDiedError

    def finish(self) -> None:
        """Ask the process to end."""
        self.ending = True
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(FROM_SUPERVISOR)


async def supervise(
    settings: Settings,
    dsn: str,
    workers: int,
    ending: Ending,
    ready: Callable[[], Awaitable[None]],
    *,
    loops: Sequence[BackgroundLoop] = (),
    guarded: SharedState | None = None,
) -> None:
    """Serve in worker processes that share the port, until the process ends; `loops` run beside, and
    end after the workers: draining needs PostgreSQL. `guarded` is the embedded server's state."""
    environment = worker_environment(settings, dsn)
    background = Background()
    mode: Mode = "sandbox" if settings.sandbox else "real"
    folders = RunFolders(settings.callgate_data_dir / FOLDERS, frozenset({os.geteuid()}))
    folder = make_folder(folders)
    places = [
        Worker(number, environment, folder, mode, guarded) for number in range(1, workers + 1)
    ]
    background.add(place.background() for place in places)
    background.add(loops)
    background.start()
    hastening = asyncio.create_task(hasten(places, ending))
    try:
        await until_ready(settings, ending.begun)
        if not ending.begun.is_set():
            await ready()
        await ending.begun.wait()
    finally:
        await background.stop(*(place.name for place in places), patience=math.inf)
        await background.stop()
        hastening.cancel()
        folders.remove_all()


def make_folder(folders: RunFolders) -> Path | None:
    """A folder that only this user can open, for the sockets of workers; None where there is none."""
    try:
        folders.record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folders.remove_left()
    except OSError as exc:
        log.warning("metrics.not_shared", error=str(exc))
        return None
    for place in PLACES:
        with suppress(OSError):
            return folders.make(place)
    log.warning("metrics.not_shared", error=f"no folder in {', '.join(PLACES)} can be written")
    return None


async def hasten(places: Sequence[Worker], ending: Ending) -> None:
    """Pass a second signal on to the workers."""
    await ending.hastened.wait()
    for place in places:
        place.finish()


def end_with_parent() -> None:
    """Let the kernel end this worker when its supervisor is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def worker_environment(settings: Settings, dsn: str) -> dict[str, str]:
    """The environment of a worker: the address of the sandbox instead of a sandbox of its own."""
    given = {
        "DATABASE_URL": dsn,
        "CALLGATE_HOST": settings.callgate_host,
        "CALLGATE_PORT": str(settings.callgate_port),
    }
    if not settings.database_url.get_secret_value():
        # A worker takes the embedded server for an operator's, whose keys are others.
        given["CALLGATE_ENCRYPTION_KEY"] = ",".join(open_vault(settings).keys)
    if settings.callgate_admin_port is not None:
        given |= {
            "CALLGATE_ADMIN_HOST": settings.callgate_admin_host,
            "CALLGATE_ADMIN_PORT": str(settings.callgate_admin_port),
        }
    if settings.sandbox:
        given |= {
            "VAPI_API_KEY": settings.vapi_api_key.get_secret_value(),
            "VAPI_API_URL": settings.vapi_api_url,
            "VAPI_CONTROL_HOSTS": ",".join(settings.vapi_control_hosts),
            "VAPI_WEBHOOK_SECRET": settings.vapi_webhook_secret.get_secret_value(),
            "VAPI_WEBHOOK_URL": settings.webhook_url,
            "CALLGATE_ADMIN_TOKEN": settings.callgate_admin_token.get_secret_value(),
            "CALLGATE_ALLOW_INSECURE_WEBHOOK_URL": "1",
            "CALLGATE_VAPI_REQUESTS_PER_SECOND": str(settings.callgate_vapi_requests_per_second),
            "CALLGATE_DRAIN_SECONDS": str(settings.callgate_drain_seconds),
        }
    # A file beside the value that was read from it would be refused.
    files = {f"{name}_FILE" for name in given}
    withheld = {*files, OWNER_URL, f"{OWNER_URL}_FILE"}
    inherited = {name: value for name, value in os.environ.items() if name not in withheld}
    return {**inherited, **given}


async def until_ready(settings: Settings, ending: asyncio.Event) -> None:
    """Wait until a worker answers."""
    async with aiohttp.ClientSession() as session:
        while not ending.is_set():
            try:
                async with session.get(f"{admin_url(settings)}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
