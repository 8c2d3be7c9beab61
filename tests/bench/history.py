"""The history check: does any answer follow a state of access that ended too long ago?

    python -m tests.bench history [--organizations 30] [--replicas 3] [--seconds 8] [--rounds 1]
        [--only TEXT]

Organizations are blocked, paid for and tried out at random while each replica, behind a proxy of its
own, is asked about new calls all the time. Printed is, in quiet and under each fault of one replica's
connections to PostgreSQL, by how many seconds the latest answer was behind, and by how many the event
loop that all replicas share: the promise is 1 s in quiet and 5 s under a fault. The exit code is 1 if
it is broken.
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import uvloop

from service.sandbox.server import SandboxVapi
from service.serve.process import calm_collector
from service.store.postgres.server import EmbeddedPostgres
from service.store.roles import create_app_role
from service.store.schema import migrate
from tests.support.access_history import Trial, on_trial
from tests.support.tcp_proxy import TcpProxy, every, named

QUIET_BOUND, FAULT_BOUND = 1.0, 5.0

Fault = Callable[[TcpProxy], AbstractContextManager[object]]


def open_now(proxy: TcpProxy, name: str = "") -> Callable[[object], bool]:
    """Choose the connections that are open now, all or those of one name."""
    chosen = {one for one in proxy.connections if not name or one.application_name == name}
    return lambda one: one in chosen


def cut(proxy: TcpProxy, name: str = "") -> AbstractContextManager[object]:
    return nullcontext(proxy.cut(named(name) if name else every))


FAULTS: dict[str, Fault] = {
    "listener cut": lambda proxy: cut(proxy, "callgate-listener"),
    "every connection cut": cut,
    "listener half-open": lambda proxy: proxy.fault(
        "black_hole", open_now(proxy, "callgate-listener")
    ),
    "reader half-open": lambda proxy: proxy.fault("black_hole", open_now(proxy, "callgate-reader")),
    "pool half-open": lambda proxy: proxy.fault("black_hole", open_now(proxy, "callgate")),
    "every connection half-open": lambda proxy: proxy.fault("black_hole", open_now(proxy)),
    "listener stalled": lambda proxy: proxy.fault("stall", open_now(proxy, "callgate-listener")),
    "reader stalled": lambda proxy: proxy.fault("stall", open_now(proxy, "callgate-reader")),
    "every connection stalled": lambda proxy: proxy.fault("stall", open_now(proxy)),
    "200 ms of latency": lambda proxy: proxy.fault("delay", every, 0.1),
}


async def measure(trial: Trial, name: str, seconds: float, bound: float) -> bool:
    """Wait, print how late answers were meanwhile, and return whether the bound holds."""
    began, lag = time.time(), 0.0
    while (left := began + seconds - time.time()) > 0:
        turn, pause = time.monotonic(), min(left, 0.01)
        await asyncio.sleep(pause)
        lag = max(lag, time.monotonic() - turn - pause)
    count = sum(one.sent >= began for one in trial.history.answers)
    late, _ = trial.history.worst(began, time.time())
    print(
        f"{name:28} {late:6.2f} s of {bound:g} s   {count} answers, loop late by {lag:.2f} s",
        flush=True,
    )
    return late <= bound


async def run(dsn: str, folder: Path, options: argparse.Namespace) -> bool:
    """All faults, each followed by a quiet time."""
    vapi = SandboxVapi()
    await vapi.start()
    fine = True
    async with on_trial(
        vapi, dsn, folder, replicas=options.replicas, organizations=options.organizations
    ) as trial:
        calm_collector()  # as `serve` does
        for _ in range(options.rounds):
            for name, fault in FAULTS.items():
                if options.only not in name:
                    continue
                fine &= await measure(trial, "quiet", options.seconds / 2, QUIET_BOUND)
                with fault(random.choice(trial.proxies)):
                    fine &= await measure(trial, name, options.seconds, FAULT_BOUND)
                await trial.settle()
                await asyncio.sleep(FAULT_BOUND)
    await vapi.stop()
    return fine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--organizations", type=int, default=30)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="faults with this text in their name")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "data", options={"max_connections": "200"})
        dsn = server.start()
        try:
            asyncio.run(migrate(dsn))
            asyncio.run(create_app_role(dsn))
            fine = uvloop.run(run(dsn, Path(folder), options))
        finally:
            server.stop()
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
