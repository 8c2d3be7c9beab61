"""Starts what users write today, each server a process on the server's core.

Node's packages are installed by `npm ci` and built in a folder of the temporary place, which further
runs find again. A baseline that cannot run says why, so that its row is not silently missing.
"""

import asyncio
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.support.load import SERVER_CORE
from tests.support.measured import WEBHOOK
from tests.support.service import eventually, unused_port
from tests.support.settings import SECRET

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
QUERY = HERE / "access.sql"
START_SECONDS = 60
INSTALL_SECONDS = 600
NEXT = "node_modules/next/dist/bin/next"


class NotMeasuredError(Exception):
    """A baseline cannot run here; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """How to start one. `{port}` stands for its port; `folder` has its `package.json`."""

    name: str
    command: Sequence[str]
    folder: str | None = None
    build: Sequence[str] = ()


UVICORN = ("-m", "uvicorn", "tests.bench.baselines.fastapi_service:app", "--log-level", "error")

BASELINES = (
    Baseline("FastAPI", (sys.executable, *UVICORN, "--no-access-log", "--port", "{port}")),
    Baseline("Fastify", ("node", "server.js", "{port}", "naive"), "fastify"),
    Baseline("Fastify, prepared", ("node", "server.js", "{port}", "prepared"), "fastify"),
    Baseline(
        "Next.js",
        ("node", NEXT, "start", "-H", "127.0.0.1", "-p", "{port}"),
        "nextjs",
        ("node", NEXT, "build"),
    ),
)
"""All ask PostgreSQL for each message, with one join over the tables of the service."""


def environment(dsn: str) -> dict[str, str]:
    given = {"DATABASE_URL": dsn, "ACCESS_SQL": str(QUERY), "WEBHOOK_SECRET": SECRET}
    return {**os.environ, **given, "NODE_ENV": "production", "NEXT_TELEMETRY_DISABLED": "1"}


async def run(command: Sequence[str], folder: Path, given: Mapping[str, str]) -> None:
    """Run to the end. Raises `NotMeasuredError` with the last line of a failure."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=given,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(INSTALL_SECONDS):
            output = (await process.communicate())[0].decode(errors="replace")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = (output.strip() or "it printed nothing").splitlines()[-1]
        raise NotMeasuredError(f"{Path(command[0]).name} {command[1]} failed: {last}")


async def prepare(one: Baseline) -> Path:
    """The folder to start it in, installed and built. Raises `NotMeasuredError`."""
    if one.folder is None:
        missing = [name for name in ("fastapi", "uvicorn") if not importlib.util.find_spec(name)]
        if missing:
            raise NotMeasuredError(f"{missing[0]} is missing: pip install -e '.[bench]'")
        return ROOT
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NotMeasuredError(f"{program} is missing")
    source = HERE / one.folder
    files = sorted(path for path in source.rglob("*") if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    place = Path(tempfile.gettempdir()) / f"callgate-bench-{os.getuid()}-{one.folder}-{digest}"
    done = place / ".done"
    if not done.exists():
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(source, place)
        print(f"installing the packages of {one.name} into {place}", flush=True)
        await run(("npm", "ci", "--no-audit", "--no-fund"), place, environment(""))
        if one.build:
            await run(one.build, place, environment(""))
        done.touch()
    return place


def last_line(log: Path) -> str:
    return (log.read_text(errors="replace").strip() or "without a line").splitlines()[-1]


@asynccontextmanager
async def serving(one: Baseline, dsn: str, log: Path) -> AsyncIterator[tuple[str, int]]:
    """Start it; its webhook and its process. Raises `NotMeasuredError`."""
    folder, port = await prepare(one), unused_port()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *("taskset", "-c", str(SERVER_CORE)),
            *(word.format(port=port) for word in one.command),
            cwd=folder,
            env=environment(dsn),
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}{WEBHOOK}"
    try:
        async with aiohttp.ClientSession() as session:

            async def answers() -> bool:
                if process.returncode is not None:
                    raise NotMeasuredError(f"it ended: {last_line(log)}")
                try:
                    async with session.get(url):
                        return True
                except aiohttp.ClientError:
                    return False

            await eventually(answers, START_SECONDS)
        yield url, process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def all_serving(
    dsn: str, folder: Path
) -> AsyncIterator[tuple[Mapping[str, tuple[str, int]], Mapping[str, str]]]:
    """Start all of them: webhooks and processes by name, and why some do not run."""
    found: dict[str, tuple[str, int]] = {}
    missing: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        for place, one in enumerate(BASELINES):
            log = folder / f"baseline-{place}.log"
            try:
                found[one.name] = await stack.enter_async_context(serving(one, dsn, log))
            except (NotMeasuredError, TimeoutError) as exc:
                missing[one.name] = str(exc) or "it did not start in time"
        yield found, missing
