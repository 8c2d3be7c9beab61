"""The use cases without a replica: for commands, and for what a start prints."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from service.access.build import Policies, build_policies
from service.access.directory import AccessDirectory
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import PolicyChoice, load_policies
from service.access.policies.preview import ChainPreview
from service.access.usage.feed import UsageFeed
from service.access.usage.memory import UsageMemory
from service.admin.imports.imports import leave_to_notifications
from service.admin.use_cases import UseCases
from service.core import Core, open_core
from service.domain.conditions import Condition
from service.domain.decisions import Decision
from service.domain.organizations import Organization
from service.reconcile.build import Reconciling, build_reconciling
from service.reconcile.reconciler import Reconciler
from service.reconcile.sweep import Sweeper
from service.settings import Settings
from service.store.clock import get_now
from service.store.policies.choices import read_choices
from service.store.pool import Pool

POOL_SIZE = 2


@dataclass(frozen=True, slots=True)
class CommandPreview(ChainPreview):
    """The chain in a command: no loop keeps usage and the choices for all organizations in memory, so
    they are read for each question."""

    feed: UsageFeed | None = None
    pool: Pool | None = None

    async def decide(self, organization: Organization, **given: Any) -> Decision:
        """Like that of a replica."""
        if self.feed is not None:
            await self.feed.read([organization])
        if self.pool is not None:
            read_at = time.monotonic()
            self.chain.choices.take(await read_choices(self.pool), read_at)
        return await ChainPreview.decide(self, organization, **given)


class CommandRooms:
    """The rooms as a command needs them, each built on first use: most load no policies."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.directory = AccessDirectory()
        self.refresh = leave_to_notifications

    @cached_property
    def policies(self) -> Policies:
        return build_policies(self.core, load_policies(PolicyChoice.of(self.core.settings)))

    @cached_property
    def reconciling(self) -> Reconciling:
        core = self.core
        return build_reconciling(core.settings, core.pool, core.client, self.policies.standings)

    @cached_property
    def preview(self) -> ChainPreview:
        memory = UsageMemory()
        self.policies.chain.usage = memory
        feed = UsageFeed(self.core.pool, self.directory, memory)
        return CommandPreview(self.policies.chain, self.directory, feed=feed, pool=self.core.pool)

    @property
    def chain(self) -> AccessChain:
        return self.policies.chain

    async def refresh_policies(self) -> None:
        """Nothing: the service hears of the change by itself."""

    @property
    def reconciler(self) -> Reconciler:
        return self.reconciling.reconciler

    @property
    def sweeper(self) -> Sweeper:
        return self.reconciling.sweeper

    async def read_clock(self) -> None:
        """Decide by the database's clock, as the service does."""
        asked_at = time.monotonic()
        now = await get_now(self.core.pool)
        self.directory.clock.set(now, asked_at, time.monotonic())

    async def close(self) -> None:
        """Stop the policies that were started."""
        if "policies" in vars(self):
            await self.policies.chain.stop()

    def read_conditions(self) -> Sequence[Condition]:
        """None: no room runs in a command."""
        return ()


@asynccontextmanager
async def open_use_cases(settings: Settings, dsn: str) -> AsyncIterator[UseCases]:
    """The use cases on a database of their own pool, closed on the way out."""
    async with open_core(settings, dsn, pool_size=POOL_SIZE) as core:
        rooms = CommandRooms(core)
        await rooms.read_clock()
        try:
            yield UseCases(core, rooms)
        finally:
            await rooms.close()
