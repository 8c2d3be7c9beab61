"""The sockets of a process and what each serves: everything on one, or the webhook on one and the
rest on a listener of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from service.serve.database import StartError
from service.serve.replica import Replica
from service.settings import Settings
from service.web.connections.listener import GuardedSite

LINGERING_SECONDS = 2.0
"""How long the rest of a refused body is read, so that the client sees the answer."""
READ_BUFFER = 32 * 1024


def bind(host: str, port: int, variable: str, *, reuse_port: bool) -> socket.socket:
    """Bind a port before anything else starts. Raises `StartError` if it is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listening.bind((host, port))
    except OSError as exc:
        listening.close()
        option = "--port or " if variable == "CALLGATE_PORT" else ""
        raise StartError(
            f"Cannot listen on {host}:{port}: {exc.strerror}. "
            f"Choose another with {option}{variable}."
        ) from None
    return listening


def bind_all(settings: Settings, *, reuse_port: bool) -> tuple[Settings, list[socket.socket]]:
    """Bind every listener; return the settings with the ports that were given, the main one first.

    Raises `StartError`.
    """
    host, port = settings.callgate_host, settings.callgate_port
    sockets = [bind(host, port, "CALLGATE_PORT", reuse_port=reuse_port)]
    given: dict[str, object] = {"callgate_port": sockets[0].getsockname()[1]}
    if settings.callgate_admin_port is not None:
        host = settings.callgate_admin_host or host
        port = settings.callgate_admin_port
        try:
            sockets.append(bind(host, port, "CALLGATE_ADMIN_PORT", reuse_port=reuse_port))
        except StartError:
            sockets[0].close()
            raise
        given |= {
            "callgate_admin_host": host,
            "callgate_admin_port": sockets[1].getsockname()[1],
        }
    return settings.model_copy(update=given), sockets


@asynccontextmanager
async def listening(
    replica: Replica,
    sockets: list[socket.socket],
    *,
    shutdown_seconds: float,
    hastened: asyncio.Event | None = None,
) -> AsyncIterator[None]:
    """Serve on the sockets; on the way out stop accepting and let running requests finish, until
    `hastened` is set."""
    site = replica.web
    apps = [site.app] if len(sockets) == 1 else [site.webhook_app, site.app]
    runners = []
    try:
        for place, (app, one) in enumerate(zip(apps, sockets, strict=True)):
            runner = web.AppRunner(
                app,
                access_log=None,
                handle_signals=False,
                shutdown_timeout=shutdown_seconds,
                # A webhook is proved over its raw bytes, and a small body must stay a small body.
                auto_decompress=False,
                lingering_time=LINGERING_SECONDS,
                read_bufsize=READ_BUFFER,
            )
            await runner.setup()
            runners.append(runner)
            straight = site.straight if place == 0 else None
            await GuardedSite(runner, one, site.doors, straight).start()
        yield
    finally:
        await finish(runners, hastened or asyncio.Event())


async def finish(runners: list[web.AppRunner], hastened: asyncio.Event) -> None:
    """Close the listeners; once `hastened` is set, requests in flight are cut."""

    async def clean_up() -> None:
        await asyncio.gather(*(runner.cleanup() for runner in runners))

    async def wait_for_haste() -> None:
        await hastened.wait()

    tasks = {asyncio.create_task(clean_up()), asyncio.create_task(wait_for_haste())}
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
