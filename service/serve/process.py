"""Serving: sockets, the embedded PostgreSQL, the sandbox, signals, and the worker processes."""

import asyncio
import ctypes
import gc
import os
import shlex
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import orjson
import structlog
import uvloop
from aiohttp import web

from service.admin.people.people import People
from service.sandbox import samples
from service.sandbox.seeding import ADMIN_NAME, Seeding, seed_admin
from service.sandbox.server import SandboxVapi
from service.serve.replica import StartError, prepare_database, running
from service.settings import WEBHOOK_PATH, Settings
from service.store.pool import create_pool
from service.store.postgres.server import EmbeddedPostgres

DRAIN_SECONDS = 0.5
"""How long a load balancer may take to see that readiness fails, before we stop listening."""
RESPAWN_SECONDS = 1.0
PR_SET_PDEATHSIG = 1
FULL_COLLECTION_AFTER = 200
"""Collections of the middle generation before all objects are looked through; Python's own is 10."""

log = structlog.get_logger()


def serve(settings: Settings, *, workers: int = 1, reuse_port: bool = False) -> None:
    """Serve until told to end. Raises `StartError` or `EmbeddedPostgresError`."""
    listening = bind(settings, reuse_port=reuse_port or workers > 1)
    port = listening.getsockname()[1]
    settings = settings.model_copy(update={"callgate_port": port})
    embedded: EmbeddedPostgres | None = None
    dsn = settings.database_url.get_secret_value()
    if not dsn:
        embedded = EmbeddedPostgres(settings.callgate_data_dir)
        dsn = embedded.start()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main(settings, dsn, listening, own=embedded is not None, workers=workers))
    finally:
        listening.close()
        if embedded is not None:
            embedded.stop()


def bind(settings: Settings, *, reuse_port: bool) -> socket.socket:
    """Take the port before anything else is started; raises `StartError` if it is taken."""
    family = socket.AF_INET6 if ":" in settings.callgate_host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listening.bind((settings.callgate_host, settings.callgate_port))
    except OSError as exc:
        listening.close()
        raise StartError(
            f"Cannot listen on {settings.callgate_host}:{settings.callgate_port}: {exc.strerror}. "
            "Choose another with --port or CALLGATE_PORT."
        ) from None
    return listening


async def main(
    settings: Settings, dsn: str, listening: socket.socket, *, own: bool, workers: int
) -> None:
    """Everything that needs the event loop."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    await prepare_database(dsn, own=own)
    async with AsyncExitStack() as stack:
        sandbox = None
        if settings.sandbox:
            sandbox = await start_sandbox(settings, stack)
            settings = settings.model_copy(
                update={
                    "vapi_api_url": sandbox.base_url,
                    "vapi_control_hosts": (*settings.vapi_control_hosts, sandbox.base_url),
                }
            )

        async def ready() -> None:
            await announce(settings, sandbox, dsn)

        if workers > 1:
            listening.close()
            await supervise(settings, dsn, workers, ending, ready)
        else:
            await serve_here(settings, dsn, listening, ending, ready)


async def start_sandbox(settings: Settings, stack: AsyncExitStack) -> SandboxVapi:
    """The stand-in for Vapi; its numbers outlive a restart, like the database beside them."""
    settings.callgate_data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    sandbox = SandboxVapi(
        api_key=settings.vapi_api_key.get_secret_value(),
        state_path=settings.callgate_data_dir / "sandbox.json",
        seed=samples.seed,
    )
    await sandbox.start(port=settings.callgate_sandbox_port)
    stack.push_async_callback(sandbox.stop)
    return sandbox


async def serve_here(
    settings: Settings,
    dsn: str,
    listening: socket.socket,
    ending: asyncio.Event,
    ready: Callable[[], Awaitable[None]],
) -> None:
    """Serve in this process until `ending`; then drain."""
    async with running(settings, dsn) as service:
        runner = web.AppRunner(
            service.app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=settings.callgate_shutdown_seconds,
            # A webhook is proved over its raw bytes, and a small body must stay a small body.
            auto_decompress=False,
        )
        await runner.setup()
        await web.SockSite(runner, listening, backlog=1024).start()
        calm_collector()
        try:
            log.info("service.started", port=settings.callgate_port, pid=os.getpid())
            await ready()
            await ending.wait()
        finally:
            service.health.draining = True
            await asyncio.sleep(min(DRAIN_SECONDS, settings.callgate_shutdown_seconds))
            await runner.cleanup()
            log.info("service.ended")


def calm_collector() -> None:
    """A full garbage collection lets every caller wait, for about 100 ms with what we hold from the
    start on: that is left out of it, and what comes later is looked through less often."""
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, FULL_COLLECTION_AFTER)


async def supervise(
    settings: Settings,
    dsn: str,
    workers: int,
    ending: asyncio.Event,
    ready: Callable[[], Awaitable[None]],
) -> None:
    """Serve in worker processes that share the port; one that dies is started again."""
    environment = worker_environment(settings, dsn)

    async def keep_alive() -> None:
        while not ending.is_set():
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "service", "serve", "--reuse-port"),
                env=environment,
                preexec_fn=end_with_parent,
            )
            waiting = asyncio.create_task(process.wait())
            stop = asyncio.create_task(ending.wait())
            await asyncio.wait({waiting, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                process.terminate()
                await waiting
            stop.cancel()
            if not ending.is_set():
                log.error("worker.died", pid=process.pid, code=process.returncode)
                await asyncio.sleep(RESPAWN_SECONDS)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(keep_alive())
        await until_ready(settings, ending)
        if not ending.is_set():
            await ready()


def end_with_parent() -> None:
    """A worker does not outlive a supervisor that was killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def worker_environment(settings: Settings, dsn: str) -> dict[str, str]:
    """The settings as a worker reads them: with the sandbox's address instead of the sandbox."""
    given = {
        "DATABASE_URL": dsn,
        "CALLGATE_HOST": settings.callgate_host,
        "CALLGATE_PORT": str(settings.callgate_port),
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
        }
    return {**os.environ, **given}


async def until_ready(settings: Settings, ending: asyncio.Event) -> None:
    """Wait until a worker answers."""
    async with aiohttp.ClientSession() as session:
        while not ending.is_set():
            try:
                async with session.get(f"{base_url(settings)}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


def base_url(settings: Settings) -> str:
    """Where a browser on this machine finds us."""
    host = settings.callgate_host
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{settings.callgate_port}"


async def announce(settings: Settings, sandbox: SandboxVapi | None, dsn: str) -> None:
    """Say where we are; in the sandbox also how to see a call blocked and one allowed."""
    address = base_url(settings)
    lines = [f"Panel:    {address}/admin"]
    token = settings.callgate_admin_token.get_secret_value()
    if sandbox is None:
        lines += await first_steps(dsn, address, token)
        lines.append(f"Webhook:  {settings.webhook_url}")
    else:
        async with aiohttp.ClientSession() as session:
            await Seeding(session, address, token).run()
        signs_in = await seed_admin(dsn, token)
        lines += [
            f"Sign in:  {ADMIN_NAME}, password and API token {token}"
            if signs_in
            else f"Sign in:  with your own name; API token {token}",
            f"Sandbox:  {sandbox.base_url} (a stand-in for Vapi)",
            "Variables for the commands of the README, to paste into another terminal:",
            f"export API={address}/api/v1 TOKEN={token} SANDBOX={sandbox.base_url}",
            "A blocked call (answers 403, and the line goes dead):",
            curl(settings, sandbox, samples.BLOCKED_NUMBER),
            "An allowed call (answers 200):",
            curl(settings, sandbox, samples.PAYING_NUMBER),
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


async def first_steps(dsn: str, address: str, token: str) -> list[str]:
    """How to make the first admin, while there is none."""
    pool = await create_pool(dsn, 1)
    try:
        people = People(pool, token)
        if not await people.is_first_run():
            return []
        if token:
            return [f"Set up:   {address}/admin/setup (with CALLGATE_ADMIN_TOKEN)"]
        code = await people.issue_setup_code()
    finally:
        await pool.close()
    return [f"Set up:   {address}/admin/setup?code={code}"] if code else []


def curl(settings: Settings, sandbox: SandboxVapi, number_id: str) -> str:
    """One line that posts the first message of a call that is on the sandbox's line right now."""
    body = orjson.dumps(sandbox.live_call(number_id)).decode()
    return " ".join(
        [
            *("curl", "-sS", "-i", "-X", "POST"),
            shlex.quote(f"{base_url(settings)}{WEBHOOK_PATH}"),
            *("-H", "'Content-Type: application/json'"),
            *("-H", shlex.quote(f"X-Vapi-Secret: {settings.webhook_secrets[0]}")),
            *("-d", shlex.quote(body)),
        ]
    )
