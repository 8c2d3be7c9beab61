"""Use cases around all webhooks at once: a sweep by hand, how things stand, a pause of everything."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import NAMESPACE_URL, uuid5

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.reconcile.webhooks import require_future
from service.domain.phone_numbers import Pause
from service.domain.sweeps import SweepReport, SweepRequest
from service.store.pool import Pool
from service.store.reconcile import state as store
from service.store.reconcile import states, sweeps

WHOLE = uuid5(NAMESPACE_URL, "urn:callgate:reconciliation")
"""What the audit log calls reconciling as a whole: it has no row with an id of its own."""

REPAIR_SECONDS = 60.0
"""How long a request waits for the repairs; what is left goes on in the background."""

Mode = Literal["enforce", "observe"]


class Sweeps(Protocol):
    """The reconciler, as these use cases need it."""

    async def sweep(self, ask: SweepRequest) -> SweepReport: ...


@dataclass(frozen=True, slots=True)
class ReconcileStatus:
    """How reconciling stands: what runs, what is held or paused, what every number's state is."""

    mode: Mode
    pause: Pause | None
    held: Mapping[str, Any] | None
    key_refused_at: datetime | None
    next_sweep_at: datetime
    last_sweep: sweeps.Sweep | None
    numbers: Mapping[str, int]
    fights: int
    releasing: int


@dataclass(frozen=True, slots=True)
class ReconciliationCases:
    """What admins do about all numbers together."""

    pool: Pool
    sweeper: Sweeps
    mode: Mode

    async def reconcile(self, actor: Actor, *, dry_run: bool, plan: str | None) -> SweepReport:
        """Look at all numbers now, and unless `dry_run` repair what drifted.

        `plan` is the name of repairs, from a dry run, that may be more than a sweep does unasked.
        A dry run changes nothing, so everybody may have one. Raises like `Sweeper.sweep`.
        """
        if not dry_run:
            actor.require_admin()
            async with transaction(self.pool) as connection:
                await record(connection, actor, "reconcile.ordered", WHOLE, after={"plan": plan})
        return await self.sweeper.sweep(SweepRequest(actor.order, dry_run, plan, REPAIR_SECONDS))

    async def standing(self) -> ReconcileStatus:
        """How things stand."""
        row = await store.get(self.pool)
        fights, releasing = await states.count_special(self.pool)
        return ReconcileStatus(
            self.mode,
            row.pause,
            row.held,
            row.key_refused_at,
            row.next_sweep_at,
            await sweeps.find_last(self.pool),
            await states.count_by_state(self.pool),
            fights,
            releasing,
        )

    async def pause(self, actor: Actor, *, reason: str, until: datetime | None) -> ReconcileStatus:
        """Change nothing at Vapi for any number until then, or until somebody resumes it.

        Numbers that are given up still get back what was there before.
        """
        actor.require_admin()
        async with transaction(self.pool) as connection:
            await require_future(connection, until)
            was = (await store.get(connection)).pause
            await store.pause_all(connection, actor.name, reason, until)
            await record(
                connection,
                actor,
                "reconcile.paused",
                WHOLE,
                before=None if was is None else {"reason": was.reason, "until": was.until},
                after={"reason": reason, "until": until},
            )
        return await self.standing()

    async def resume(self, actor: Actor) -> ReconcileStatus:
        """End the pause of everything, and look for what drifted meanwhile."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            before = (await store.get(connection)).pause
            if before is not None:
                await store.resume_all(connection)
                await states.wake_paused(connection)
                was = {"reason": before.reason, "until": before.until}
                await record(connection, actor, "reconcile.resumed", WHOLE, before=was)
        return await self.standing()
