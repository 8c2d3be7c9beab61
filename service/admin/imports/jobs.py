"""Use case: a stored import. A file becomes a plan to review; applied, it runs in the background of any
replica, and resumes after a crash."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID

import structlog

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.imports.csv_file import CsvError, RowFault
from service.admin.imports.imports import Imports
from service.admin.imports.number_rows import ImportRow, parse_import
from service.admin.imports.plan import ImportPlan, PlannedRow
from service.admin.imports.vapi_numbers import KnownNumbers, plain
from service.background import BackgroundLoop
from service.domain.errors import ConflictError, NotFoundError
from service.store.leases import holding
from service.store.phone_numbers import imports as store
from service.store.phone_numbers import lookups
from service.store.phone_numbers.imports import ImportClaim, ImportJob, ImportRecord, Show
from service.store.pool import UNAVAILABLE, Connection, Pool

MAX_ROWS = 10_000
PLAN_SECONDS = 20.0
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
    imports: Imports
    plan_seconds: float = PLAN_SECONDS
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def create(self, actor: Actor, file_name: str, data: bytes) -> ImportJob:
        """Plan a CSV file and store the plan; no number is changed.

        Raises `CsvError` for a file that cannot be used as a whole.
        """
        actor.require_admin()
        rows = await asyncio.to_thread(parse_import, data)
        if not rows:
            raise CsvError("The file names no phone number: below its header every line is empty.")
        if len(rows) > MAX_ROWS:
            raise CsvError(f"The file has more than {MAX_ROWS:,} rows: split it.")
        plan = await self.plan(rows)
        plans = await asyncio.to_thread(lambda: [asdict(row) for row in plan.rows])
        name = plain(file_name) or "numbers.csv"
        async with transaction(self.pool) as connection:
            await store.delete_old(connection)
            made = await store.insert(
                connection,
                created_by=actor.name,
                source=actor.source,
                file_name=name,
                warning=plan.warning,
                plans=plans,
            )
            after = {"name": name, "rows": plan.figures}
            await record(connection, actor, "import.created", made, after=after)
        return await self.get(made)

    async def plan(self, rows: list[ImportRow | RowFault]) -> ImportPlan:
        """Plan the rows; a timeout counts as a Vapi that does not answer."""
        try:
            async with asyncio.timeout(self.plan_seconds):
                return await self.imports.plan(rows)
        except TimeoutError:
            problem = f"Vapi did not list its numbers within {self.plan_seconds:.0f} seconds."
            return await self.imports.judge(rows, KnownNumbers(problem=problem))

    async def get(self, import_id: UUID) -> ImportJob:
        """Raises `NotFoundError`."""
        found = await store.find(self.pool, import_id)
        if found is None:
            raise import_not_found()
        return found

    async def list_page(self, *, after: UUID | None, limit: int) -> list[ImportJob]:
        """Imports, newest first."""
        return await store.list_page(self.pool, after=after, limit=limit)

    async def figures(self, import_id: UUID) -> Figures:
        return Figures(await store.count_rows(self.pool, import_id))

    async def rows(
        self, import_id: UUID, show: Show, *, after: tuple[bool, int] = FIRST, limit: int
    ) -> list[ImportRecord]:
        """Rows after the place `after`, failed ones first."""
        return await store.list_rows(self.pool, import_id, show, after=after, limit=limit)

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
                rows = await self.planned(import_id)
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

    async def planned(self, import_id: UUID) -> dict[str, int]:
        """How many rows there are of each planned action."""
        figures = await self.figures(import_id)
        return {name: figures.planned(name) for name in ("create", "update", "unchanged", "error")}

    async def audit(
        self, connection: Connection, actor: Actor, action: str, job: ImportJob, **after: Any
    ) -> int:
        return await record(
            connection, actor, action, job.id, after={"name": job.file_name, **after}
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
        while rows := await store.list_pending_rows(self.pool, held, BATCH):
            for row in rows:
                done = await self.apply_row(actor, planned_of(row))
                if done.code == "unavailable":
                    log.warning("imports.interrupted", import_id=held.import_id, line=row.line)
                    return False
                failed = done.action == "error"
                going_on = await store.record_outcome(
                    self.pool,
                    held,
                    row.line,
                    outcome="failed" if failed else "done",
                    message=done.message if failed else None,
                    phone_number_id=done.phone_number_id,
                )
                if not going_on:
                    return True
        if await store.finish(self.pool, held):
            log.info("numbers.imported", import_id=held.import_id, by=held.applied_by)
        return True

    async def apply_row(self, actor: Actor, row: PlannedRow) -> PlannedRow:
        """Apply one row. A number that exists already for the same organization was added by a worker
        that died before it recorded it, or by an admin since the plan: then it is only updated."""
        done = await self.imports.apply_row(actor, row)
        if row.action != "create" or done.code != "phone_number_taken":
            return done
        vapi_id = row.vapi_phone_number_id or ""
        here = (await lookups.find_numbers(self.pool, [vapi_id])).get(vapi_id)
        if here is None or here.organization_id != row.organization_id:
            return done
        there = replace(row, action="update", phone_number_id=here.id)
        return await self.imports.apply_row(actor, there)


def planned_of(row: ImportRecord) -> PlannedRow:
    """The planned row, as stored. A row that is not applied yet has no message."""
    ids = {
        name: UUID(row.plan[name]) if row.plan[name] else None
        for name in ("organization_id", "phone_number_id")
    }
    return PlannedRow(**{**row.plan, **ids})
