"""Taking a change back: what was there before it, through the use case that anybody would use.

Nothing is undone behind somebody's back: the change has to be the last one of what it changed, and
whoever takes it back must be allowed to make the opposite change.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from policies.contract import Override, SubscriptionPlan
from service.admin.actor import Actor
from service.admin.changes import RecordedChanges
from service.admin.errors import AuditEntryNotFoundError, ChangedSinceError, NotUndoableError
from service.admin.organizations.organizations import Entitlement, Organizations
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.admin.phone_numbers.unknown_numbers import UnknownNumbers
from service.admin.reconcile.sweeps import ReconciliationCases
from service.admin.reconcile.webhooks import Webhooks
from service.domain.people import Role
from service.store.audit import AuditEntry, find_entry
from service.store.pool import Pool

ENTITLEMENTS: Mapping[str, Entitlement] = {
    f"{kind}.{verb}": kind for kind in ("plan", "trial", "override") for verb in ("put", "deleted")
}

WHOLE = frozenset({*ENTITLEMENTS, "organization.changed", "phone_number.changed"})
"""What tells all that was there before."""

ENDS = frozenset({"phone_number.resumed", "reconcile.resumed"})
BEGINS = frozenset({"phone_number.paused", "reconcile.paused"})
INBOX = frozenset({"unknown_number.ignored", "unknown_number.heeded"})


def undoable(entry: AuditEntry) -> bool:
    """Whether an entry tells enough to take the change back."""
    if entry.action in WHOLE:
        return entry.before is not None and entry.after is not None
    if entry.action in BEGINS:
        return entry.before is None  # a pause that replaced another one does not tell all of it
    return entry.action in ENDS or entry.action in INBOX


def least_role(entry: AuditEntry) -> Role:
    """Who may make the opposite change; support as far as their own limits go."""
    return "support" if entry.action.startswith("override.") else "admin"


@dataclass(frozen=True, slots=True)
class Undone:
    """The entry that was taken back, and that of taking it back."""

    entry: AuditEntry
    audit_id: int


@dataclass(frozen=True, slots=True)
class Undo:
    """What everybody may do, as far as they might have done the opposite by hand."""

    pool: Pool
    organizations: Organizations
    numbers: PhoneNumbers
    webhooks: Webhooks
    unknown: UnknownNumbers
    reconciliation: ReconciliationCases

    async def undo(self, actor: Actor, audit_id: int) -> Undone:
        """Take one change back; the audit has a new entry that names its own.

        Raises `NotFoundError`, `InvalidError` (`not_undoable`), `ConflictError` (`changed_since`)
        and what the use case of the opposite change raises.
        """
        actor.require_support()
        entry = await find_entry(self.pool, audit_id)
        if entry is None:
            raise AuditEntryNotFoundError
        if not undoable(entry):
            raise NotUndoableError
        noted = RecordedChanges.of(actor, entry)
        await self.reverse(entry)(noted)
        if not noted.entries:
            raise ChangedSinceError
        return Undone(entry, noted.entries[-1])

    def reverse(self, entry: AuditEntry) -> Callable[[Actor], Awaitable[object]]:
        """The change that leads back."""
        before = entry.before or {}
        match entry.action:
            case "organization.changed":
                owner = UUID(entry.object_id)
                return lambda actor: self.organizations.change(actor, owner, before)
            case "phone_number.changed":
                number, values = UUID(entry.object_id), number_values(before)
                return lambda actor: self.numbers.change(actor, number, values)
            case "phone_number.paused":
                number = UUID(entry.object_id)
                return lambda actor: self.webhooks.resume(actor, number)
            case "phone_number.resumed":
                number, pause = UUID(entry.object_id), pause_values(before)
                return lambda actor: self.webhooks.pause(actor, number, **pause)
            case "reconcile.paused":
                return self.reconciliation.resume
            case "reconcile.resumed":
                pause = pause_values(before)
                return lambda actor: self.reconciliation.pause(actor, **pause)
            case "unknown_number.ignored":
                return lambda actor: self.unknown.heed(actor, entry.object_id)
            case "unknown_number.heeded":
                return lambda actor: self.unknown.ignore(actor, entry.object_id)
        return self.entitling(UUID(entry.object_id), ENTITLEMENTS[entry.action], before)

    def entitling(
        self, owner: UUID, kind: Entitlement, before: Mapping[str, Any]
    ) -> Callable[[Actor], Awaitable[object]]:
        """Put a plan, trial or override as it was, or take it away if there was none."""
        cases, was = self.organizations, before.get(kind)
        if was is None:
            return lambda actor: cases.delete_entitlement(actor, owner, kind)
        if kind == "plan":
            plan = SubscriptionPlan(**with_instants(was, "current_period_end", "grace_period_end"))
            return lambda actor: cases.put_plan(actor, owner, plan)
        if kind == "trial":
            trial = with_instants(was, "starts_at", "ends_at")
            return lambda actor: cases.put_trial(actor, owner, **trial)
        override = Override(**with_instants(was, "starts_at", "expires_at"))
        return lambda actor: cases.put_override(actor, owner, override)


def with_instants(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Values out of the audit, with instants where it keeps texts."""
    return {**values, **{name: instant_of(values.get(name)) for name in names}}


def instant_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def number_values(before: Mapping[str, Any]) -> dict[str, Any]:
    """What may be changed of a number."""
    return {
        "organization_id": UUID(before["organization_id"]),
        **{name: before[name] for name in ("label", "gate", "answer_with")},
    }


def pause_values(before: Mapping[str, Any]) -> dict[str, Any]:
    return {"reason": before["reason"], "until": instant_of(before.get("until"))}
