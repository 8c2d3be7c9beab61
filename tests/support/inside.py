"""A look inside a service process: pauses of its garbage collector, tasks, threads and descriptors.

The process imports a module of ours at its start, by `PYTHONPATH`; at a signal it writes what it sees
into a file. Nothing of this is in the product.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.support.process import ServiceProcess

WAIT_SECONDS = 10.0
MODULE = """
import asyncio, gc, json, os, re, signal, threading, time
from collections import Counter

PAUSES, BEGAN = [], [0.0, 0.0]

def note(phase, info):
    if phase == "start":
        BEGAN[:] = time.perf_counter(), time.thread_time()
    else:
        PAUSES.append((time.perf_counter() - BEGAN[0], time.thread_time() - BEGAN[1]))

def name_of(task):
    return getattr(task.get_coro(), "__qualname__", "?")

def report(_number, _frame):
    try:
        tasks = Counter(map(name_of, asyncio.all_tasks()))
    except RuntimeError:
        tasks = Counter()
    pauses, PAUSES[:] = list(PAUSES), []
    seen = {"tasks": tasks, "threads": threading.active_count(), "pauses": pauses}
    path = os.path.join(os.environ["INSIDE_FOLDER"], str(os.getpid()))
    with open(path + ".new", "w") as file:
        json.dump(seen, file)
    os.replace(path + ".new", path)

gc.callbacks.append(note)
signal.signal(signal.SIGUSR2, report)
"""


@dataclass(frozen=True, slots=True)
class Inside:
    """What was seen. `pauses` since the last look: seconds of the clock, and of the processor."""

    tasks: Mapping[str, int]
    threads: int
    pauses: list[tuple[float, float]]
    descriptors: int
    resident: int
    """Bytes."""


def open_up(process: ServiceProcess, folder: Path) -> None:
    """Let a process that is not started yet be looked into, by files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(MODULE)
    process.environment |= {"PYTHONPATH": str(folder), "INSIDE_FOLDER": str(folder)}


async def look(process: ServiceProcess, folder: Path) -> Inside:
    """Ask a running process, and wait for its report."""
    assert process.process is not None
    pid = process.process.pid
    report = folder / str(pid)
    report.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR2)
    async with asyncio.timeout(WAIT_SECONDS):
        while not report.exists():
            await asyncio.sleep(0.01)
    seen: dict[str, Any] = orjson.loads(report.read_bytes())
    pauses = [(float(clock), float(processor)) for clock, processor in seen["pauses"]]
    return Inside(seen["tasks"], seen["threads"], pauses, count_files(pid), resident_bytes(pid))


def count_files(pid: int) -> int:
    """The open descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_bytes(pid: int) -> int:
    """The memory of a process that no file holds as well."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError
