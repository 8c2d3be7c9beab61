"""Stored imports of organizations: applied row by row, each organization added once."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from policies.entitlements import PlanLimits, SubscriptionPlan
from service.admin.actor import Actor
from service.admin.changes import leave_to_notifications
from service.admin.imports.jobs import ImportJobs
from service.admin.imports.kinds import OrganizationImportKind, planned_of
from service.admin.imports.organization_imports import OrganizationImports
from service.admin.imports.plan import PlannedRow
from service.admin.imports.undo import undo_import
from service.admin.organizations.organizations import Organizations
from service.admin.undo import Undo
from service.domain.errors import InvalidError
from service.domain.organizations import Organization
from service.domain.policies.choices import OwnChoice
from service.store.audit import find_entry, list_audit
from service.store.policies.choices import put_own
from service.store.pool import Pool

HEADER = "name,external_id,plan,status,current_period_end,trial_ends_at,blocked_message\n"
STATE = """
SELECT o.name, o.external_id, p.code, p.current_period_end::date::text, t.ends_at::date::text
FROM callgate.organizations o LEFT JOIN callgate.plans p ON p.organization_id = o.id
LEFT JOIN callgate.trials t ON t.organization_id = o.id ORDER BY o.name, o.external_id
"""


@pytest.fixture
def organizations(pool: Pool) -> Organizations:
    return Organizations(pool, leave_to_notifications)


@pytest.fixture
def imports(pool: Pool, organizations: Organizations) -> OrganizationImports:
    return OrganizationImports(pool, organizations)


@pytest.fixture
def jobs(imports: OrganizationImports) -> ImportJobs:
    return jobs_of(imports)


def jobs_of(imports: OrganizationImports) -> ImportJobs:
    return ImportJobs(imports.pool, {"organizations": OrganizationImportKind(imports)})


async def apply(jobs: ImportJobs, admin: Actor, rows: str) -> UUID:
    job = await jobs.create(admin, "organizations", "customers.csv", (HEADER + rows).encode())
    await jobs.apply(admin, job.id)
    assert await jobs.apply_one()
    return job.id


async def state(pool: Pool) -> list[tuple[str | None, ...]]:
    return [tuple(row) for row in await pool.fetch(STATE)]


async def test_a_file_is_planned_kept_and_applied(
    jobs: ImportJobs, pool: Pool, admin: Actor
) -> None:
    rows = "Bakery,b-1,pro,Active,2030-01-31,,\nFlorist,,,,,2030-02-28,\nx,,pro,,,,\n"
    made = await apply(jobs, admin, rows)
    assert await state(pool) == [
        ("Bakery", "b-1", "pro", "2030-01-31", None),
        ("Florist", None, None, None, "2030-02-28"),
    ]
    shown = await jobs.rows(made, "all", limit=10)
    assert [(row.line, row.outcome) for row in shown] == [(4, "failed"), (2, "done"), (3, "done")]
    there = await pool.fetch("SELECT id FROM callgate.organizations")
    assert {row.organization_id for row in shown[1:]} == {row["id"] for row in there}
    (applied, created) = await list_audit(pool, limit=10)
    assert applied.after == {
        "name": "customers.csv",
        "kind": "organizations",
        "rows": {"create": 2, "update": 0, "unchanged": 0, "error": 1},
    }
    parts = await list_audit(pool, part_of=applied.id, limit=10)
    assert [part.action for part in parts] == [
        "trial.put",
        "organization.created",
        "plan.put",
        "organization.created",
    ]
    assert created.action == "import.created"
    again = await jobs.create(admin, "organizations", "again.csv", (HEADER + rows).encode())
    assert (await jobs.figures(again.id)).counted == {
        ("unchanged", "unchanged"): 2,
        ("error", "failed"): 1,
    }


async def test_an_import_that_two_admins_apply_adds_each_organization_once(
    jobs: ImportJobs, pool: Pool, admin: Actor
) -> None:
    data = (HEADER + "Bakery,,,,,,\nFlorist,f-1,,,,,\n").encode()
    first = await jobs.create(admin, "organizations", "one.csv", data)
    second = await jobs.create(admin, "organizations", "two.csv", data)
    for job in (first, second):
        await jobs.apply(admin, job.id)
        await jobs.apply_one()
    assert [row[0] for row in await state(pool)] == ["Bakery", "Florist"]
    failed = await jobs.rows(second.id, "failed", limit=10)
    assert len(failed) == 2
    assert all("Import the file again" in (row.message or "") for row in failed)


async def test_two_customers_of_one_name_stay_two(
    jobs: ImportJobs, pool: Pool, admin: Actor
) -> None:
    await apply(jobs, admin, "Bakery,a,,,,,\nBakery,b,,,,,\n")
    assert [row[:2] for row in await state(pool)] == [("Bakery", "a"), ("Bakery", "b")]


class Dying(OrganizationImports):
    """Ends where the worker may die: after each step of a row, before its outcome is recorded."""

    async def apply_row(
        self, actor: Actor, row: PlannedRow, new_id: UUID | None = None
    ) -> PlannedRow:
        await super().apply_row(actor, row, new_id)
        raise asyncio.CancelledError


async def test_a_row_that_a_dead_worker_had_added_is_added_once(
    imports: OrganizationImports, jobs: ImportJobs, pool: Pool, admin: Actor
) -> None:
    dying = jobs_of(Dying(pool, imports.organizations))
    rows = "Bakery,,pro,active,2030-01-31,,\nFlorist,f-1,,,,2030-02-28,\n"
    job = await dying.create(admin, "organizations", "two.csv", (HEADER + rows).encode())
    await dying.apply(admin, job.id)
    with pytest.raises(asyncio.CancelledError):
        await dying.apply_one()
    assert await jobs.apply_one()
    assert await state(pool) == [
        ("Bakery", None, "pro", "2030-01-31", None),
        ("Florist", "f-1", None, None, "2030-02-28"),
    ]
    assert {row.outcome for row in await jobs.rows(job.id, "all", limit=10)} == {"done"}


async def test_a_row_that_two_workers_add_at_once_is_added_once(
    jobs: ImportJobs, pool: Pool, admin: Actor
) -> None:
    """A worker whose lease ended may still be at the row that the next worker begins."""
    job = await jobs.create(
        admin, "organizations", "one.csv", (HEADER + "Bakery,b,,,,,\n").encode()
    )
    (row,) = await jobs.rows(job.id, "all", limit=1)
    kind = jobs.kinds["organizations"]
    new_id = job.id
    done = await asyncio.gather(*(kind.apply_row(admin, planned_of(row), new_id) for _ in range(4)))
    assert {one.organization_id for one in done} == {new_id}
    assert [row[0] for row in await state(pool)] == ["Bakery"]


async def test_a_file_without_organizations_is_refused(jobs: ImportJobs, admin: Actor) -> None:
    with pytest.raises(InvalidError, match="names no organization"):
        await jobs.create(admin, "organizations", "none.csv", HEADER.encode())
    with pytest.raises(InvalidError, match="Unknown columns"):
        await jobs.create(admin, "organizations", "none.csv", b"phone_number,organization\n1,2\n")


BILLING = Actor("token:billing", "admin", "api")
RENEWED = SubscriptionPlan(
    "pro",
    "active",
    datetime(2031, 1, 31, tzinfo=UTC),
    limits=PlanLimits(minutes=500),
    as_of=datetime(2030, 1, 31, tzinfo=UTC),
)


class Overtaken(Organizations):
    """A billing system reports a renewal while a row is applied."""

    async def change(
        self, actor: Actor, organization_id: UUID, changes: Mapping[str, Any]
    ) -> Organization:
        changed = await Organizations.change(self, actor, organization_id, changes)
        await Organizations.put_plan(self, BILLING, organization_id, RENEWED)
        return changed


async def test_a_row_keeps_what_a_billing_system_reports_while_it_is_applied(
    jobs: ImportJobs, organizations: Organizations, pool: Pool, admin: Actor
) -> None:
    """A row changes what it gives. It must not write the rest as it was before the report."""
    made = await apply(jobs, admin, "Bakery,b-1,pro,active,2030-01-31,,\n")
    (row,) = await jobs.rows(made, "all", limit=1)
    overtaken = OrganizationImports(pool, Overtaken(pool, leave_to_notifications))
    await apply(jobs_of(overtaken), admin, "Bakery,b-1,max,active,,,\n")
    assert row.organization_id is not None
    found = await organizations.get(row.organization_id)
    assert found.plan == replace(RENEWED, code="max")


async def test_undoing_an_import_keeps_an_organization_with_policies_of_its_own(
    jobs: ImportJobs, organizations: Organizations, pool: Pool, admin: Actor
) -> None:
    """An admin has chosen them since, and they would go with the organization."""
    made = await apply(jobs, admin, "Bakery,b-1,,,,,\nFlorist,f-1,,,,,\n")
    bakery = (await jobs.rows(made, "all", limit=2))[0].organization_id
    assert bakery is not None
    async with pool.acquire() as connection:
        await put_own(connection, bakery, "opening_hours", OwnChoice("enforce", {"weekly": {}}))
    undo = Undo(pool, organizations, *(cast("Any", None) for _ in range(5)))
    entry = await find_entry(pool, await jobs.applied_entry(made))
    assert entry is not None
    done = await undo_import(pool, admin, entry, undo.reverse_row)
    assert (done.undone, done.named) == (1, ["Bakery (changed since)"])
    assert [row[0] for row in await state(pool)] == ["Bakery"]
