"""Use cases for all numbers: a sweep on demand, the status, a pause of everything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import NAMESPACE_URL, uuid5

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.reconcile.numbers import require_future
from service.admin.requests.versions import check_version, version_of
from service.domain.phone_numbers import Pause
from service.domain.sweeps import SweepReport, SweepRequest
from service.store.pool import Connection, Pool
from service.store.reconcile import state as store
from service.store.reconcile import states, sweeps

WHOLE = uuid5(NAMESPACE_URL, "urn:callgate:reconciliation")
"""The audit's id of reconciling as a whole, which has no row of its own."""

REPAIR_SECONDS = 60.0
"""How long a request waits for repairs; the rest goes on in the background."""

Mode = Literal["enforce", "observe"]


class Sweeps(Protocol):
    """What these use cases need of the sweeper."""

    async def sweep(self, ask: SweepRequest) -> SweepReport: ...


@dataclass(frozen=True, slots=True)
class ReconcileStatus:
    """The status of reconciling: running, held or paused, and how many numbers are in each state."""

    mode: Mode
    pause: Pause | None
    paused_at: datetime | None
    held: Mapping[str, Any] | None
    key_refused_at: datetime | None
    next_sweep_at: datetime
    last_sweep: sweeps.Sweep | None
    numbers: Mapping[str, int]
    fights: int
    releasing: int

    @property
    def version(self) -> str:
        """The version that a change of the pause replaces."""
        return pause_version(self.paused_at)


def pause_version(paused_at: datetime | None) -> str:
    """Changes with every pause, and when an admin ends one; not when one ends by itself."""
    return version_of({"reconcile": paused_at})


@dataclass(frozen=True, slots=True)
class ReconcileCases:
    """What admins do with all numbers together."""

    pool: Pool
    sweeper: Sweeps
    mode: Mode

    async def reconcile(self, actor: Actor, *, dry_run: bool, plan: str | None) -> SweepReport:
        """Sweep all numbers now, and repair drift unless `dry_run`.

        `plan` approves the repairs of a dry run that exceed the brake. A dry run changes nothing, so
        every role may run one. Raises like `Sweeper.sweep`.
        """
        if not dry_run:
            actor.require_admin()
            async with transaction(self.pool) as connection:
                await record(connection, actor, "reconcile.ordered", WHOLE, after={"plan": plan})
        return await self.sweeper.sweep(SweepRequest(actor.order, dry_run, plan, REPAIR_SECONDS))

    async def status(self) -> ReconcileStatus:
        """Read the status."""
        row = await store.get(self.pool)
        fights, releasing = await states.count_special(self.pool)
        return ReconcileStatus(
            self.mode,
            row.pause,
            row.paused_at,
            row.held,
            row.key_refused_at,
            row.next_sweep_at,
            await sweeps.find_last(self.pool),
            await states.count_by_state(self.pool),
            fights,
            releasing,
        )

    async def list_releasing(self, limit: int) -> Sequence[str]:
        """The names of numbers whose previous webhook is being restored."""
        return await states.list_releasing(self.pool, limit)

    async def pause(self, actor: Actor, *, reason: str, until: datetime | None) -> ReconcileStatus:
        """Pause changes at Vapi for all numbers until then, or until an admin resumes them.

        Released numbers are still restored.
        """
        actor.require_admin()
        async with transaction(self.pool) as connection:
            await require_future(connection, until)
            was = await self.lock_pause(connection)
            await store.pause_all(connection, actor.name, reason, until)
            if was is not None:
                # Numbers wait for the end of the pause as it was: they have to learn of the new one.
                await states.wake_paused(connection)
            await record(
                connection,
                actor,
                "reconcile.paused",
                WHOLE,
                before=None if was is None else {"reason": was.reason, "until": was.until},
                after={"reason": reason, "until": until},
            )
        return await self.status()

    async def resume(self, actor: Actor) -> ReconcileStatus:
        """End the pause of everything, and sweep for drift."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            before = await self.lock_pause(connection)
            if before is not None:
                await store.resume_all(connection)
                await states.wake_paused(connection)
                was = {"reason": before.reason, "until": before.until}
                await record(connection, actor, "reconcile.resumed", WHOLE, before=was)
        return await self.status()

    async def lock_pause(self, connection: Connection) -> Pause | None:
        """The pause of everything, locked. Raises `PreconditionFailedError`."""
        await store.lock(connection)
        found = await store.get(connection)
        check_version(pause_version(found.paused_at))
        return found.pause
