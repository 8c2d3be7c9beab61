"""Imports on a real database and a stand-in for Vapi."""

from typing import Any
from uuid import UUID

from service.admin.actor import Actor
from service.admin.imports.imports import Imports
from service.admin.imports.number_rows import parse_import
from service.admin.imports.plan import ImportPlan, PlannedRow
from service.admin.phone_numbers.phone_numbers import Probed
from service.domain.phone_numbers import Sync
from service.store.pool import Pool


class NoReconciler:
    """For an import that leaves Vapi to the loop; what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[UUID] = []

    async def probe(self, vapi_phone_number_id: str) -> Probed | None:
        raise AssertionError("an import asks Vapi by pages")

    async def reconcile(self, phone_number_id: UUID) -> Sync | None:
        self.asked.append(phone_number_id)
        return None


async def add_organization(pool: Pool, name: str, external_id: str | None = None) -> UUID:
    found: UUID = await pool.fetchval(
        "INSERT INTO callgate.organizations (name, external_id) VALUES ($1, $2) RETURNING id",
        name,
        external_id,
    )
    return found


def rows_of(*lines: str) -> list[Any]:
    text = "\n".join(("phone_number,organization,label,gate", *lines))
    return list(parse_import(text.encode()))


async def apply(imports: Imports, admin: Actor, plan: ImportPlan) -> ImportPlan:
    told: list[PlannedRow] = []
    applied = await imports.apply(admin, plan, told.append)
    assert tuple(told) == applied.rows
    return applied


def actions(plan: ImportPlan) -> list[str]:
    return [row.code or row.action for row in plan.rows]


async def stored(pool: Pool) -> dict[str, tuple[Any, ...]]:
    rows = await pool.fetch(
        "SELECT n.*, s.state, s.next_attempt_at <= now() AS due FROM callgate.phone_numbers n "
        "JOIN callgate.webhook_states s ON s.phone_number_id = n.id"
    )
    fields = ("organization_id", "number", "label", "gate", "state", "due")
    return {row["vapi_phone_number_id"]: tuple(row[name] for name in fields) for row in rows}
