"""Imports that are kept: a plan to look at, applied in the background, going on after a crash."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import aiohttp
import pytest
from pydantic import SecretStr

from service.admin.actor import Actor
from service.admin.imports import jobs as import_jobs
from service.admin.imports.imports import Imports
from service.admin.imports.jobs import ImportJobs
from service.admin.imports.kinds import NumberImportKind
from service.admin.imports.plan import PlannedRow
from service.domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from service.domain.priority import Priority
from service.sandbox.server import SandboxVapi
from service.store.audit import list_audit
from service.store.imports.imports import ImportJob
from service.store.pool import Pool
from service.vapi.client import VapiClient

VIEWER = Actor("vic", "viewer", "web")


@pytest.fixture
async def imports(pool: Pool, vapi: SandboxVapi) -> AsyncIterator[Imports]:
    async def at_once(_priority: Priority) -> None: ...

    async with aiohttp.ClientSession() as session:
        client = VapiClient(session, vapi.base_url, SecretStr(vapi.api_key), at_once)
        yield replace(Imports.patient(pool, client), wait_seconds=0.001)


@pytest.fixture
def jobs(pool: Pool, imports: Imports) -> ImportJobs:
    return jobs_of(imports)


@pytest.fixture
async def bakery(pool: Pool) -> UUID:
    found: UUID = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ('Bakery') RETURNING id"
    )
    return found


def jobs_of(imports: Imports, plan_seconds: float = 20.0) -> ImportJobs:
    return ImportJobs(imports.pool, {"phone_numbers": NumberImportKind(imports, plan_seconds)})


def file_of(*rows: str) -> bytes:
    return "\n".join(("phone_number,organization,label,gate", *rows)).encode()


async def outcomes(jobs: ImportJobs, job: ImportJob) -> list[tuple[int, str, str | None]]:
    rows = await jobs.rows(job.id, "all", limit=1000)
    return [(row.line, row.action, row.outcome) for row in rows]


async def actions(pool: Pool) -> list[str]:
    entries = await list_audit(pool, limit=2000)
    return [entry.action for entry in reversed(entries)]


async def row_actions(pool: Pool) -> list[str]:
    found = await pool.fetch("SELECT action FROM callgate.audit WHERE part_of IS NOT NULL")
    return [row["action"] for row in found]


async def test_a_file_is_planned_kept_and_applied(
    jobs: ImportJobs, pool: Pool, vapi: SandboxVapi, admin: Actor, bakery: UUID
) -> None:
    ids = vapi.add_numbers(3)
    rows = [f"{found},Bakery,Line {place},\n" for place, found in enumerate(ids)]
    job = await jobs.create(
        admin, "phone_numbers", "three\x00.csv", file_of(*rows, "+49,Bakery,,", "x,Nobody,,")
    )
    assert (job.state, job.file_name, job.created_by) == ("planned", "three.csv", "ada")
    assert [row[1:] for row in await outcomes(jobs, job)] == [
        *[("error", "failed")] * 2,
        *[("create", None)] * 3,
    ]
    assert not await jobs.apply_one()
    assert await pool.fetchval("SELECT count(*) FROM callgate.phone_numbers") == 0
    await jobs.apply(admin, job.id)
    await jobs.apply(admin, job.id)
    assert await jobs.apply_one()
    assert not await jobs.apply_one()
    job = await jobs.get(job.id)
    assert (job.state, job.applied_by, job.finished_at is not None) == ("applied", "ada", True)
    done = await jobs.rows(job.id, "done", limit=10)
    there = await pool.fetch("SELECT id, label, organization_id FROM callgate.phone_numbers")
    assert {row.phone_number_id for row in done} == {row["id"] for row in there}
    assert {row["label"] for row in there} == {"Line 0", "Line 1", "Line 2"}
    assert await actions(pool) == [
        "import.created",
        "import.applied",
    ]
    (applied, _) = await list_audit(pool, limit=10)
    assert applied.after == {
        "name": "three.csv",
        "kind": "phone_numbers",
        "rows": {"create": 3, "update": 0, "unchanged": 0, "error": 2},
    }
    parts = await list_audit(pool, part_of=applied.id, limit=10)
    assert [part.action for part in parts] == ["phone_number.created"] * 3
    again = await jobs.create(admin, "phone_numbers", "three.csv", file_of(*rows))
    assert (await jobs.figures(again.id)).counted == {("unchanged", "unchanged"): 3}


async def test_pages_of_rows_have_each_row_once(
    jobs: ImportJobs, vapi: SandboxVapi, admin: Actor, bakery: UUID
) -> None:
    ids = vapi.add_numbers(6)
    rows = [f"{found},{'Bakery' if place % 2 else 'Nobody'},," for place, found in enumerate(ids)]
    job = await jobs.create(admin, "phone_numbers", "six.csv", file_of(*rows))
    lines, place = list[int](), import_jobs.FIRST
    while page := await jobs.rows(job.id, "all", after=place, limit=4):
        lines += [row.line for row in page]
        place = page[-1].place
    assert lines == [2, 4, 6, 3, 5, 7]
    waiting = await jobs.rows(job.id, "waiting", limit=10)
    assert [row.line for row in waiting] == [3, 5, 7]


class Stopping(Imports):
    """Blocks until released, right after a row was applied and before that is recorded."""

    async def apply_row(self, actor: Actor, row: PlannedRow) -> PlannedRow:
        done = await super().apply_row(actor, row)
        if row.label == "Line 4":
            Standstill.reached.set()
            await Standstill.go_on.wait()
        return done


class Standstill:
    """Where `Stopping` stands; new for each test, for each has an event loop of its own."""

    reached: asyncio.Event
    go_on: asyncio.Event


@pytest.fixture(autouse=True)
def standstill() -> None:
    Standstill.reached, Standstill.go_on = asyncio.Event(), asyncio.Event()


async def test_another_worker_goes_on_and_nothing_is_done_twice(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor, bakery: UUID
) -> None:
    slow = jobs_of(Stopping(pool, imports.client, imports.numbers))
    quick = jobs_of(imports)
    ids = vapi.add_numbers(10)
    rows = [f"{found},Bakery,Line {place},request" for place, found in enumerate(ids)]
    job = await slow.create(admin, "phone_numbers", "ten.csv", file_of(*rows))
    await slow.apply(admin, job.id)
    working = asyncio.create_task(slow.apply_one())
    await Standstill.reached.wait()
    assert not await quick.apply_one()  # another worker holds it
    assert (await quick.figures(job.id)).became("done") == 4
    # Its lease has expired.
    await pool.execute("UPDATE callgate.imports SET claimed_until = now() - interval '1 second'")
    assert await quick.apply_one()
    assert (await quick.get(job.id)).state == "applied"
    before = await quick.rows(job.id, "all", limit=20)
    assert {row.outcome for row in before} == {"done"}
    assert None not in {row.phone_number_id for row in before}
    Standstill.go_on.set()
    await working  # and yet it was alive: what it still says is not heard
    assert await quick.rows(job.id, "all", limit=20) == before
    assert await pool.fetchval("SELECT count(*) FROM callgate.phone_numbers") == 10
    assert await row_actions(pool) == ["phone_number.created"] * 10
    assert (await actions(pool)).count("import.applied") == 1


async def test_a_worker_that_is_stopped_gives_the_import_back(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor, bakery: UUID
) -> None:
    slow = jobs_of(Stopping(pool, imports.client, imports.numbers))
    rows = [f"{found},Bakery,Line {place}," for place, found in enumerate(vapi.add_numbers(6))]
    job = await slow.create(admin, "phone_numbers", "six.csv", file_of(*rows))
    await slow.apply(admin, job.id)
    working = asyncio.create_task(slow.background().run())
    await Standstill.reached.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    quick = jobs_of(imports)
    assert await quick.apply_one()
    assert (await quick.figures(job.id)).became("done") == 6


async def test_a_canceled_import_stops_where_it_is(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor, bakery: UUID
) -> None:
    jobs = jobs_of(Stopping(pool, imports.client, imports.numbers))
    rows = [f"{found},Bakery,Line {place}," for place, found in enumerate(vapi.add_numbers(8))]
    job = await jobs.create(admin, "phone_numbers", "eight.csv", file_of(*rows))
    await jobs.apply(admin, job.id)
    working = asyncio.create_task(jobs.apply_one())
    await Standstill.reached.wait()
    await jobs.cancel(admin, job.id)
    await jobs.cancel(admin, job.id)
    Standstill.go_on.set()
    await working
    figures = await jobs.figures(job.id)
    assert (figures.became("done"), figures.waiting) == (5, 3)
    assert await pool.fetchval("SELECT count(*) FROM callgate.phone_numbers") == 5
    assert not await jobs.apply_one()
    with pytest.raises(ConflictError, match="canceled"):
        await jobs.apply(admin, job.id)
    assert (await actions(pool)).count("import.canceled") == 1


async def test_what_has_become_impossible_since_fails_by_itself(
    imports: Imports, pool: Pool, vapi: SandboxVapi, admin: Actor, bakery: UUID
) -> None:
    jobs = jobs_of(imports)
    other: UUID = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ('Butcher') RETURNING id"
    )
    ids = vapi.add_numbers(2)
    job = await jobs.create(
        admin, "phone_numbers", "two.csv", file_of(*(f"{found},Bakery,," for found in ids))
    )
    values = {"label": None, "gate": "event", "answer_with": None, "number": None}
    await imports.numbers.register(
        admin, {**values, "organization_id": other, "vapi_phone_number_id": ids[0]}
    )
    await jobs.apply(admin, job.id)
    await jobs.apply_one()
    failed = await jobs.rows(job.id, "failed", limit=10)
    assert [row.line for row in failed] == [2]
    assert "registered" in (failed[0].message or "") or "has this" in (failed[0].message or "")
    assert (await jobs.figures(job.id)).became("done") == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is empty"),
        (b"name,address\nx,y\n", "Unknown columns"),
        (b"phone_number,organization\n,\n", "names no phone number"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "line 1|Line 1"),
        (b"phone_number,organization\n" + b"x,y\n" * 10_001, "more than 10,000 rows"),
    ],
    ids=["empty", "other columns", "no rows", "no CSV", "too many"],
)
async def test_a_file_that_cannot_be_used_is_refused_as_a_whole(
    jobs: ImportJobs, pool: Pool, admin: Actor, data: bytes, words: str
) -> None:
    with pytest.raises(InvalidError, match=words):
        await jobs.create(admin, "phone_numbers", "bad.csv", data)
    assert await pool.fetchval("SELECT count(*) FROM callgate.imports") == 0


async def test_who_may_not_does_nothing_and_what_is_gone_is_gone(
    jobs: ImportJobs, pool: Pool, vapi: SandboxVapi, admin: Actor, bakery: UUID
) -> None:
    data = file_of(f"{vapi.add_numbers(1)[0]},Bakery,,")
    job = await jobs.create(admin, "phone_numbers", "one.csv", data)
    with pytest.raises(ForbiddenError):
        await jobs.create(VIEWER, "phone_numbers", "one.csv", data)
    with pytest.raises(ForbiddenError):
        await jobs.apply(VIEWER, job.id)
    with pytest.raises(ForbiddenError):
        await jobs.cancel(VIEWER, job.id)
    assert (await jobs.get(job.id)).state == "planned"
    await pool.execute("UPDATE callgate.imports SET created_at = now() - interval '31 days'")
    newer = await jobs.create(admin, "phone_numbers", "one.csv", data)
    with pytest.raises(NotFoundError):
        await jobs.get(job.id)
    assert [found.id for found in await jobs.list_page(after=None, limit=5)] == [newer.id]
    assert await pool.fetchval("SELECT count(*) FROM callgate.import_rows") == 1


async def test_while_vapi_is_away_ids_are_taken_as_they_are(
    imports: Imports, vapi: SandboxVapi, admin: Actor, bakery: UUID
) -> None:
    jobs = jobs_of(imports, plan_seconds=0.2)
    vapi.fail("GET *", stall=5.0)
    job = await jobs.create(
        admin, "phone_numbers", "one.csv", file_of("some-id,Bakery,,", "+15550000001,Bakery,,")
    )
    assert "within" in (job.warning or "")
    assert [row[1:] for row in await outcomes(jobs, job)] == [("error", "failed"), ("create", None)]
