"""One replica: the rooms put together, and the background loops that keep them going."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

import structlog
from aiohttp.web import Application

from policies.host.loading import run_beside
from service.access.build import Access, build_access
from service.access.policies.plugins import (
    LoadedPolicies,
    PluginProblem,
    PolicyChoice,
    load_policies,
)
from service.admin.use_cases import UseCases
from service.background import Background, BackgroundLoop
from service.core import Core, open_core
from service.domain.conditions import Condition
from service.reconcile.build import Reconciling, build_loops, build_reconciling
from service.relay.build import build_relay
from service.relay.delivery import Relay
from service.serve.conditions import ReplicaConditions
from service.serve.database import DatabaseAwayError, StartError
from service.serve.readiness import Readiness
from service.settings import Settings
from service.store.organizations.snapshot import DirectorySnapshot
from service.store.pool import Pool
from service.web.build import Web, build_web

LOAD_SECONDS = 20.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Start:
    """How a replica starts: its policies, what fills the directory without PostgreSQL, and what checks
    and watches its PostgreSQL. `direct` is an address without a pooler, `metrics_socket` where a worker
    gives its metrics to those beside it."""

    direct: str = ""
    snapshot: DirectorySnapshot | None = None
    policies: LoadedPolicies | None = None
    loops: tuple[BackgroundLoop, ...] = ()
    conditions: Callable[[], Iterable[Condition]] = tuple
    metrics_socket: Path | None = None


WITH_DATABASE = Start()


@dataclass(frozen=True, slots=True)
class Replica:
    """What serves: `closing` closes in reverse what was built, after the loops have stopped."""

    core: Core
    access: Access
    reconciling: Reconciling
    relay: Relay
    use_cases: UseCases
    web: Web
    background: Background
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def settings(self) -> Settings:
        return self.core.settings

    @property
    def pool(self) -> Pool:
        return self.core.pool

    @property
    def app(self) -> Application:
        return self.web.app

    def drain(self) -> None:
        """Fail readiness, so that load balancers send no further requests."""
        self.web.health.draining = True

    async def start(self, snapshot: DirectorySnapshot | None = None) -> None:
        """Start the loops and wait for the directory, unless a snapshot fills it.

        Raises `DatabaseAwayError` if that takes too long.
        """
        if snapshot is not None:
            self.access.snapshots.restore(snapshot)
        await self.access.policies.chain.start()
        self.access.observers.start()
        check_required(self.access.policies.missing, self.access.policies.problems)
        self.background.start()
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                while not self.access.directory.loaded:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise DatabaseAwayError(
                "The access directory could not be read from PostgreSQL."
            ) from None

    async def stop(self) -> None:
        """Let running work finish, give claims back, close everything."""
        self.drain()
        await self.closing.aclose()


async def load_required(settings: Settings) -> LoadedPolicies:
    """Load the policies; a signal can end the wait for a plugin that hangs.

    Raises `StartError` without a policy that is required, or if a built-in policy refuses its variables.
    """
    loaded = await run_beside(partial(load_policies, PolicyChoice.of(settings)))
    if loaded.unfit:
        raise StartError(
            f"Settings of built-in policies are invalid: {'; '.join(loaded.unfit)}. Correct these "
            "variables, or remove them."
        )
    check_required(loaded.missing, loaded.problems)
    return loaded


def check_required(missing: Sequence[str], problems: Sequence[PluginProblem]) -> None:
    """Raise `StartError` if required policies are missing."""
    if missing:
        found = "".join(f" {one.plugin}: {one.message}." for one in problems)
        raise StartError(
            f"CALLGATE_POLICIES_REQUIRED names policies that are not loaded: "
            f"{', '.join(missing)}.{found} Install their plugins, or remove the names."
        )


@asynccontextmanager
async def open_replica(
    settings: Settings, dsn: str, start: Start = WITH_DATABASE
) -> AsyncIterator[Replica]:
    """Build a replica whose loops do not run yet; stop and close it on the way out."""
    async with AsyncExitStack() as stack:
        core = await stack.enter_async_context(
            open_core(settings, dsn, at_least=0, direct=start.direct)
        )
        background = Background()
        access = build_access(core, start.policies or await load_required(settings))
        stack.push_async_callback(access.close)
        reconciling = build_reconciling(settings, core.pool, core.client, access.policies.standings)
        relay = build_relay(core, access.directory.find_organization, access.directory.clock)
        stack.push_async_callback(relay.close)
        access.limits.find_me = lambda: relay.lasting.worker
        use_cases = UseCases(core, ReplicaRooms(access, reconciling, background, relay, start))
        site = build_web(core, access, reconciling, use_cases, background, relay=relay)
        stack.push_async_callback(site.close)
        if start.metrics_socket is not None:
            beside = site.metrics.share(start.metrics_socket)
            await beside.start()
            stack.callback(beside.stop)
        background.add(access.background())
        background.add(build_loops(core, reconciling))
        background.add(relay.background())
        background.add(use_cases.background())
        background.add(site.background())
        background.add(start.loops)
        stack.push_async_callback(background.stop)
        site.health.probes.append(Readiness(use_cases.conditions.check).checks)
        log.info(
            "service.built",
            version=version("callgate"),
            policies=len(access.policies.loaded.policies),
        )
        replica = Replica(
            core, access, reconciling, relay, use_cases, site, background, stack.pop_all()
        )
        try:
            yield replica
        finally:
            await replica.stop()


class ReplicaRooms:
    """What the use cases of a replica take from the rooms beside them."""

    def __init__(
        self,
        access: Access,
        reconciling: Reconciling,
        background: Background,
        relay: Relay,
        start: Start,
    ) -> None:
        self.refresh = access.feed.refresh_now
        self.refresh_policies = access.feed.refresh_choices
        self.chain = access.policies.chain
        self.preview = access.preview
        self.reconciler = reconciling.reconciler
        self.sweeper = reconciling.sweeper
        self.read_conditions = ReplicaConditions(
            access, background, relay, reconciling.key.client.reach, start.conditions
        ).read


@asynccontextmanager
async def running(
    settings: Settings, dsn: str, start: Start = WITH_DATABASE
) -> AsyncIterator[Replica]:
    """A started replica, stopped on the way out."""
    async with open_replica(settings, dsn, start) as replica:
        await replica.start(start.snapshot)
        yield replica
