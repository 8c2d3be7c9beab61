"""Load from `wrk` on the cores that the server leaves free, and what the server spends on it."""

import asyncio
import os
import re
import shutil
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORES = CORES[0], CORES[1:] or CORES
CALL_ID, CALLER = "CALL-ID", "+CALLER"
"""Stand in a body where each request has a call and a caller of its own."""

SCRIPT = r"""
local file = assert(io.open(os.getenv("BODY"), "rb"))
local body = file:read("*a")
file:close()
wrk.method, wrk.body = "POST", body
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-Vapi-Secret"] = os.getenv("SECRET")
local at = body:find("CALL-ID", 1, true)
local prefix, count = os.getenv("PREFIX"), 0
if at then
  request = function()
    count = count + 1
    local text = body:gsub("CALL%-ID", prefix .. string.format("%012x", count))
    text = text:gsub("CALLER", string.format("1555%07d", count % 10000000))
    return wrk.format(nil, nil, nil, text)
  end
end
local wanted = tonumber(os.getenv("STATUS"))
if wanted ~= 200 then
  threads = {}
  setup = function(thread) table.insert(threads, thread) end
  wrong = 0
  response = function(status) if status ~= wanted then wrong = wrong + 1 end end
end
done = function(summary, latency)
  local errors = summary.errors
  local bad = errors.status
  if wanted ~= 200 then
    bad = 0
    for _, thread in ipairs(threads) do bad = bad + thread:get("wrong") end
  end
  bad = bad + errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("RESULT %d %d %d %d %d %d", summary.requests, summary.duration, bad,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What is posted, at which address. `status` is the only one that is no failure."""

    url: str
    body: bytes
    secret: str
    status: int = 200
    connections: int = 32


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One run; times are in seconds. `cpu` is what the server and its processes spent on a request."""

    requests: int
    seconds: float
    failures: int
    p50: float
    p99: float
    p999: float
    cpu: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several figures, with the smallest and the largest one."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> "Spread":
        return cls(statistics.median(figures), min(figures), max(figures))


def find_wrk() -> str | None:
    """Where `wrk` is (Debian's package of that name)."""
    return shutil.which("wrk")


def cpu_seconds(pid: int) -> float:
    """What a process has used so far: processor time, the same under other load."""
    return time.clock_gettime((~pid << 3) | 2)  # Linux's clock of another process


def family_seconds(pid: int) -> float:
    """What a process and the processes that it has started have used so far."""
    return cpu_seconds(pid) + sum(map(cpu_seconds, children_of(pid)))


def children_of(pid: int) -> list[int]:
    """The running processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # one that has just ended
            state = stat.read_text().rpartition(")")[2].split()
            if int(state[1]) == pid and state[0] != "Z":
                found.append(int(stat.parent.name))
    return found


async def run_load(load: Load, seconds: int, pid: int, folder: Path) -> LoadResult:
    """Post for so many seconds to the process `pid`."""
    body, script = folder / "body.json", folder / "load.lua"
    body.write_bytes(load.body)
    script.write_text(SCRIPT)
    prefix = os.urandom(10).hex()
    given = {"BODY": body, "SECRET": load.secret, "STATUS": load.status, "PREFIX": prefix}
    cores = ",".join(map(str, LOAD_CORES))
    spent = family_seconds(pid)
    process = await asyncio.create_subprocess_exec(
        *("taskset", "-c", cores, find_wrk() or "wrk", "-t1", f"-c{load.connections}"),
        *(f"-d{seconds}s", "--timeout", "10s", "-s", str(script), load.url),
        env={**os.environ, **{name: str(value) for name, value in given.items()}},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()
    spent = family_seconds(pid) - spent
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", output)
    assert found is not None, output
    assert int(found[1]), output
    requests, took, failures, *latencies = map(int, found.groups())
    p50, p99, p999 = (one / 1e6 for one in latencies)
    return LoadResult(requests, took / 1e6, failures, p50, p99, p999, spent / requests)


def message_of(size: int, message: dict[str, object]) -> bytes:
    """A body of `size` bytes: the message with a transcript that fills it."""
    inner = message["message"]
    assert isinstance(inner, dict)
    empty = len(orjson.dumps({"message": {**inner, "transcript": ""}}))
    words = ("so we would like a table for four on Friday evening " * (size // 50 + 1))[
        : size - empty
    ]
    return orjson.dumps({"message": {**inner, "transcript": words}})
