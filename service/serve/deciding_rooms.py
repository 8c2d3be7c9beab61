"""The chain of policies for commands, which have no loops."""

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from service.access.directory import AccessDirectory
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import PolicyChoice, load_policies
from service.access.policies.preview import ChainPreview
from service.access.policy_build import Policies, build_policies
from service.access.usage.feed import UsageFeed
from service.access.usage.memory import UsageMemory
from service.admin.changes import leave_to_notifications
from service.domain.decisions import Decision
from service.domain.organizations import Organization
from service.settings import Settings
from service.store.clock import get_now
from service.store.policies.choices import read_choices
from service.store.pool import Pool


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


class DecidingCommandRooms:
    """The chain as a command needs it, built on first use: most commands load no policies."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self.settings = settings
        self.pool = pool
        self.directory = AccessDirectory()
        self.refresh = leave_to_notifications

    @cached_property
    def policies(self) -> Policies:
        loaded = load_policies(PolicyChoice.of(self.settings))
        return build_policies(self.settings, self.pool, loaded)

    @cached_property
    def preview(self) -> ChainPreview:
        memory = UsageMemory()
        self.policies.chain.usage = memory
        feed = UsageFeed(self.pool, self.directory, memory)
        return CommandPreview(self.policies.chain, self.directory, feed=feed, pool=self.pool)

    @property
    def chain(self) -> AccessChain:
        return self.policies.chain

    async def refresh_policies(self) -> None:
        """Nothing: the service hears of the change by itself."""

    async def read_clock(self) -> None:
        """Decide by the database's clock, as the service does."""
        asked_at = time.monotonic()
        now = await get_now(self.pool)
        self.directory.clock.set(now, asked_at, time.monotonic())

    async def close(self) -> None:
        """Stop the policies that were started."""
        if "policies" in vars(self):
            await self.policies.chain.stop()
