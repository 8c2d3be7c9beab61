"""Undo a change by the use case that makes the opposite one; `ACTIONS` says which.

An undo never overwrites a later change, and needs the role that the opposite change needs.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from policies.entitlements import Override, PlanLimits, SubscriptionPlan
from policies.host.ids import is_uuid
from service.admin.actor import Actor
from service.admin.changes import RecordedChanges, leave_to_notifications
from service.admin.errors import AuditEntryNotFoundError, ChangedSinceError, NotUndoableError
from service.admin.imports.imports import Later
from service.admin.imports.undo import ImportUndone, undo_import
from service.admin.organizations.organizations import Organizations
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.admin.phone_numbers.unknown_numbers import UnknownNumbers
from service.admin.policies.policies import PolicyCases
from service.admin.reconcile.numbers import NumberWebhooks
from service.admin.reconcile.sweeps import ReconcileCases
from service.domain.audit import ACTIONS, AuditEntry, can_undo
from service.domain.errors import ConflictError
from service.store.audit import find_entry
from service.store.imports.imports import is_under_way
from service.store.pool import Pool

Values = Mapping[str, Any]
Change = Callable[[Actor], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Undone:
    """The entry that was undone, and the id of the entry that records the undo."""

    entry: AuditEntry
    audit_id: int
    rows: ImportUndone | None = None
    """The result of each row of an import."""


@dataclass(frozen=True, slots=True)
class Undo:
    """Undo for every admin who may make the opposite change by hand."""

    pool: Pool
    organizations: Organizations
    numbers: PhoneNumbers
    webhooks: NumberWebhooks
    unknown: UnknownNumbers
    reconciliation: ReconcileCases
    policies: PolicyCases

    async def undo(self, actor: Actor, audit_id: int) -> Undone:
        """Undo one change; the new audit entry names the one it undoes.

        Raises `AuditEntryNotFoundError`, `NotUndoableError`, `ChangedSinceError`, `ConflictError` for
        an import that is still being applied, and the errors of the opposite change.
        """
        actor.require_support()
        entry = await find_entry(self.pool, audit_id)
        if entry is None:
            raise AuditEntryNotFoundError
        if not can_undo(entry):
            raise NotUndoableError
        if ACTIONS[entry.action].undo == "undo_import":
            return await self.undo_import(actor, entry)
        recorded = RecordedChanges.of(actor, entry)
        await self.reverse(entry)(recorded)
        if not recorded.entries:
            raise ChangedSinceError
        return Undone(entry, recorded.entries[-1])

    async def undo_import(self, actor: Actor, entry: AuditEntry) -> Undone:
        """Undo the rows of an import. While rows are applied, some would come after their undo.
        The entry of a command's import names its file instead."""
        name = entry.object_id
        if is_uuid(name) and await is_under_way(self.pool, UUID(name)):
            raise ConflictError("This import is still being applied. Cancel it first, or wait.")
        rows = await undo_import(self.pool, actor, entry, self.patient().reverse_row)
        return Undone(entry, rows.audit_id, rows)

    def patient(self) -> "Undo":
        """One for many changes, which waits neither for Vapi nor for directories."""
        return replace(
            self,
            organizations=replace(self.organizations, freshen=leave_to_notifications),
            numbers=PhoneNumbers(self.pool, leave_to_notifications, Later()),
        )

    def reverse_row(self, entry: AuditEntry) -> Change:
        """The use case that takes back what a row of an import did."""
        match entry.action:
            case "phone_number.created":
                return lambda actor: self.numbers.delete(actor, UUID(entry.object_id))
            case "organization.created":
                return lambda actor: self.organizations.delete(actor, UUID(entry.object_id))
        return self.reverse(entry)

    def reverse(self, entry: AuditEntry) -> Change:
        """The use case that restores the state before the entry."""
        before = entry.before or {}
        match ACTIONS[entry.action].undo:
            case "restore_organization":
                owner = UUID(entry.object_id)
                return lambda actor: self.organizations.change(actor, owner, before)
            case "restore_plan" | "restore_trial" | "restore_override":
                return self.restore_entitlement(entry, before)
            case "restore_phone_number":
                number, values = UUID(entry.object_id), number_values(before)
                return lambda actor: self.numbers.change(actor, number, values)
            case "resume_phone_number":
                number = UUID(entry.object_id)
                return lambda actor: self.webhooks.resume(actor, number)
            case "pause_phone_number":
                number, pause = UUID(entry.object_id), pause_values(before)
                return lambda actor: self.webhooks.pause(actor, number, **pause)
            case "resume_reconciling":
                return self.reconciliation.resume
            case "pause_reconciling":
                pause = pause_values(before)
                return lambda actor: self.reconciliation.pause(actor, **pause)
            case "unignore_number":
                return lambda actor: self.unknown.unignore(actor, entry.object_id)
            case "ignore_number":
                return lambda actor: self.unknown.ignore(actor, entry.object_id)
            case "restore_policy" | "restore_organization_policy":
                return self.restore_policy(entry, before)
            case "undo_import" | None:
                raise NotUndoableError

    def restore_plan(self, owner: UUID, old: Values | None) -> Change:
        if old is None:
            return lambda actor: self.organizations.delete_entitlement(actor, owner, "plan")
        limits = old.get("limits")
        plan = SubscriptionPlan(
            **{
                **with_instants(old, "current_period_end", "grace_period_end", "as_of"),
                "limits": None if limits is None else PlanLimits(**limits),
            }
        )
        return lambda actor: self.organizations.put_plan(actor, owner, plan)

    def restore_entitlement(self, entry: AuditEntry, before: Values) -> Change:
        owner = UUID(entry.object_id)
        match ACTIONS[entry.action].undo:
            case "restore_plan":
                return self.restore_plan(owner, before.get("plan"))
            case "restore_trial":
                return self.restore_trial(owner, before.get("trial"))
        return self.restore_override(owner, before.get("override"))

    def restore_policy(self, entry: AuditEntry, before: Values) -> Change:
        if "policies" not in before:
            return lambda actor: self.policies.change(actor, entry.object_id, before)
        owner = UUID(entry.object_id)
        ((name, choice),) = before["policies"].items()
        if choice is None:
            return lambda actor: self.policies.delete_own(actor, owner, name)
        return lambda actor: self.policies.change_own(actor, owner, name, choice)

    def restore_trial(self, owner: UUID, old: Values | None) -> Change:
        if old is None:
            return lambda actor: self.organizations.delete_entitlement(actor, owner, "trial")
        trial = with_instants(old, "starts_at", "ends_at")
        return lambda actor: self.organizations.put_trial(actor, owner, **trial)

    def restore_override(self, owner: UUID, old: Values | None) -> Change:
        if old is None:
            return lambda actor: self.organizations.delete_entitlement(actor, owner, "override")
        override = Override(**with_instants(old, "starts_at", "expires_at"))
        return lambda actor: self.organizations.put_override(actor, owner, override)


def with_instants(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Values from the audit, with its texts parsed to instants."""
    return {**values, **{name: instant_of(values.get(name)) for name in names}}


def instant_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def number_values(before: Mapping[str, Any]) -> dict[str, Any]:
    """The changeable fields of a number."""
    return {
        "organization_id": UUID(before["organization_id"]),
        **{name: before[name] for name in ("label", "gate", "answer_with")},
    }


def pause_values(before: Mapping[str, Any]) -> dict[str, Any]:
    return {"reason": before["reason"], "until": instant_of(before.get("until"))}
