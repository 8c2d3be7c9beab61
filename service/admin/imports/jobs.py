"""Use case: a stored import. A file becomes a plan to review; applied, it runs in the background of any
replica, and resumes after a crash."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID, uuid5

import structlog

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.imports.applying import audited
from service.admin.imports.kinds import ImportKind, planned_of
from service.admin.imports.known_numbers import plain
from service.admin.imports.plan import Action
from service.background import BackgroundLoop
from service.domain.errors import ConflictError, NotFoundError
from service.store.imports import imports as store
from service.store.imports import rows as row_store
from service.store.imports import undos
from service.store.imports.imports import ImportClaim, ImportJob, Kind
from service.store.imports.rows import ImportRecord, Show
from service.store.leases import holding
from service.store.pool import UNAVAILABLE, Connection, Pool

POLL_SECONDS = 2.0
BATCH = 50
FIRST = (False, 0)
"""The place before the first row."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of rows by planned action and by result."""

    counted: Mapping[tuple[str, str], int]

    def planned(self, action: str) -> int:
        return sum(rows for (planned, _), rows in self.counted.items() if planned == action)

    def became(self, outcome: str) -> int:
        return sum(rows for (_, found), rows in self.counted.items() if found == outcome)

    @property
    def by_action(self) -> dict[Action, int]:
        """How many rows there are of each planned action."""
        actions: tuple[Action, ...] = ("create", "update", "unchanged", "error")
        return {action: self.planned(action) for action in actions}

    @property
    def total(self) -> int:
        return sum(self.counted.values())

    @property
    def to_do(self) -> int:
        """Rows with a change to make, made or not."""
        return self.planned("create") + self.planned("update")

    @property
    def waiting(self) -> int:
        return self.became("waiting")


def import_not_found() -> NotFoundError:
    return NotFoundError("There is no such import. Imports are kept for 30 days.")


@dataclass(slots=True)
class ImportJobs:
    """One per replica: the requests of admins, and the worker that carries them out."""

    pool: Pool
    kinds: Mapping[Kind, ImportKind]
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def create(self, actor: Actor, kind: Kind, file_name: str, data: bytes) -> ImportJob:
        """Plan a CSV file and store the plan; nothing else is changed.

        Raises `CsvError` for a file that cannot be used as a whole.
        """
        actor.require_admin()
        plan = await self.kinds[kind].plan(data)
        plans = await asyncio.to_thread(lambda: [asdict(row) for row in plan.rows])
        name = plain(file_name) or f"{kind}.csv"
        async with transaction(self.pool) as connection:
            await store.delete_old(connection)
            made = await store.insert(
                connection,
                kind=kind,
                created_by=actor.name,
                source=actor.source,
                file_name=name,
                warning=plan.warning,
            )
            await row_store.insert_rows(connection, made, plans)
            after = audited(name, kind, plan.figures)
            await record(connection, actor, "import.created", made, after=after)
        return await self.get(made)

    async def get(self, import_id: UUID) -> ImportJob:
        """Raises `NotFoundError`."""
        found = await store.find(self.pool, import_id)
        if found is None:
            raise import_not_found()
        return found

    async def count_undone(self, job: ImportJob) -> int:
        """How many of its rows were undone."""
        return 0 if job.audit_id is None else await undos.count_undone(self.pool, job.audit_id)

    async def applied_entry(self, import_id: UUID) -> int:
        """The audit entry of the application, which an undo takes; it refuses one under way.

        Raises `ConflictError` for an import that was never applied.
        """
        job = await self.get(import_id)
        if job.audit_id is None:
            raise ConflictError("Only an import that is applied can be undone.")
        return job.audit_id

    async def list_page(
        self, kind: Kind | None = None, *, after: UUID | None, limit: int
    ) -> list[ImportJob]:
        """Imports of a kind, or of all, newest first."""
        return await store.list_page(self.pool, kind, after=after, limit=limit)

    async def count(self, kind: Kind | None = None) -> int:
        """How many imports of a kind there are, or of all."""
        return await store.count(self.pool, kind)

    async def figures(self, import_id: UUID) -> Figures:
        return (await self.figures_of([import_id]))[import_id]

    async def figures_of(self, import_ids: Iterable[UUID]) -> dict[UUID, Figures]:
        """The counts of several imports, by their ids."""
        counted = await row_store.count_rows(self.pool, list(import_ids))
        return {one: Figures(rows) for one, rows in counted.items()}

    async def rows(
        self, import_id: UUID, show: Show, *, after: tuple[bool, int] = FIRST, limit: int
    ) -> list[ImportRecord]:
        """Rows after the place `after`, failed ones first."""
        return await row_store.list_rows(self.pool, import_id, show, after=after, limit=limit)

    async def apply(self, actor: Actor, import_id: UUID) -> None:
        """Start applying the plan; repeating it changes nothing. Raises `ConflictError`."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            job = await store.find_locked(connection, import_id)
            if job is None:
                raise import_not_found()
            if job.state == "canceled":
                raise ConflictError("This import was canceled. Upload the file again.")
            if job.state == "planned":
                rows = (await self.figures(import_id)).by_action
                entry = await self.audit(connection, actor, "import.applied", job, rows=rows)
                await store.start(connection, import_id, actor.name, entry)
        self.woken.set()

    async def cancel(self, actor: Actor, import_id: UUID) -> None:
        """Cancel the rows that are not applied yet. Raises `ConflictError`."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            job = await store.find_locked(connection, import_id)
            if job is None:
                raise import_not_found()
            if job.state == "applied":
                raise ConflictError("This import is finished and cannot be canceled.")
            if job.state != "canceled":
                await store.cancel(connection, import_id)
                await self.audit(connection, actor, "import.canceled", job)

    async def audit(
        self, connection: Connection, actor: Actor, action: str, job: ImportJob, **after: Any
    ) -> int:
        return await record(
            connection,
            actor,
            action,
            job.id,
            after={"name": job.file_name, "kind": job.kind, **after},
        )

    def background(self) -> BackgroundLoop:
        """Applies imports, one after the other."""
        return BackgroundLoop(
            "imports", self.turn, interval=POLL_SECONDS, wake=self.woken, outages=UNAVAILABLE
        )

    async def turn(self) -> float | None:
        """Apply one import; the next follows at once."""
        return 0.0 if await self.apply_one() else None

    async def apply_one(self) -> bool:
        """Claim one import and apply it; False if there is none, or PostgreSQL does not answer."""
        began = asyncio.get_running_loop().time()
        held = await store.claim(self.pool)
        if held is None:
            return False
        try:
            async with holding(lambda: store.renew(self.pool, held), began):
                return await self.carry_out(held)
        finally:
            with suppress(*UNAVAILABLE):
                await store.release(self.pool, held)

    async def carry_out(self, held: ImportClaim) -> bool:
        """Apply row by row, recording each result. False while PostgreSQL does not answer."""
        actor = Actor(held.applied_by, "admin", held.source, part_of=held.audit_id)
        kind = self.kinds[held.kind]
        while rows := await row_store.list_pending_rows(self.pool, held, BATCH):
            for row in rows:
                new_id = uuid5(held.import_id, str(row.line))
                done = await kind.apply_row(actor, planned_of(row), new_id)
                if done.code == "unavailable":
                    log.warning("imports.interrupted", import_id=held.import_id, line=row.line)
                    return False
                failed = done.action == "error"
                going_on = await row_store.record_outcome(
                    self.pool,
                    held,
                    row.line,
                    outcome="failed" if failed else "done",
                    message=done.message if failed else None,
                    phone_number_id=done.phone_number_id,
                    organization_id=done.organization_id,
                )
                if not going_on:
                    return True
        if await store.finish(self.pool, held):
            log.info("import.applied", kind=held.kind, import_id=held.import_id, by=held.applied_by)
        return True
