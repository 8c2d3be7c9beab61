"""The rooms for commands that speak to Vapi."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cached_property

from service.core import Core, open_core
from service.domain.conditions import Condition
from service.reconcile.build import Reconciling, build_reconciling
from service.reconcile.reconciler import Reconciler
from service.reconcile.sweep import Sweeper
from service.serve.deciding_rooms import DecidingCommandRooms
from service.serve.stored_cases import POOL_SIZE
from service.settings import Settings


class CommandRooms(DecidingCommandRooms):
    """The rooms as a command needs them that speaks to Vapi."""

    def __init__(self, core: Core) -> None:
        super().__init__(core.settings, core.pool)
        self.core = core

    @cached_property
    def reconciling(self) -> Reconciling:
        core = self.core
        return build_reconciling(core.settings, core.pool, core.client, self.policies.standings)

    @property
    def reconciler(self) -> Reconciler:
        return self.reconciling.reconciler

    @property
    def sweeper(self) -> Sweeper:
        return self.reconciling.sweeper

    def read_conditions(self) -> Sequence[Condition]:
        """None: no room runs in a command."""
        return ()


@asynccontextmanager
async def open_command_rooms(settings: Settings, dsn: str) -> AsyncIterator[CommandRooms]:
    """The rooms on a pool of their own, closed on the way out."""
    async with open_core(settings, dsn, pool_size=POOL_SIZE) as core:
        rooms = CommandRooms(core)
        await rooms.read_clock()
        try:
            yield rooms
        finally:
            await rooms.close()
