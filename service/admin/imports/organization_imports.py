"""Use case: import many organizations. Rows find theirs by external id, else by exact name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from policies.entitlements import SubscriptionPlan
from service.admin.actor import Actor
from service.admin.errors import AddedSinceError, AmbiguousOrganizationError, DuplicateRowError
from service.admin.imports.applying import apply_rows, refused
from service.admin.imports.csv_file import RowFault
from service.admin.imports.organization_rows import ImportedOrganization
from service.admin.imports.plan import Action, ImportPlan, PlannedRow, listed
from service.admin.organizations.organizations import Organizations
from service.domain.errors import CallgateError
from service.domain.organizations import Organization
from service.store.audit import list_audit
from service.store.organizations import organizations as store
from service.store.phone_numbers import lookups
from service.store.pool import Pool

NEW: Mapping[str, Any] = {"forward_url": None, "attributes": {}, "assistant_ids": []}
OWN = ("name", "external_id", "blocked_message", "time_zone")


@dataclass(frozen=True, slots=True)
class OrganizationImports:
    """Adds the organizations of a file, and sets the plans and trials that it gives."""

    pool: Pool
    organizations: Organizations

    async def plan(self, rows: Sequence[ImportedOrganization | RowFault]) -> ImportPlan:
        """Plan each row; nothing is changed."""
        found = await self.find_named(
            [row for row in rows if isinstance(row, ImportedOrganization)]
        )
        first: dict[object, int] = {}
        return ImportPlan(tuple(judge(row, found, first) for row in rows))

    async def apply(
        self,
        actor: Actor,
        plan: ImportPlan,
        progress: Callable[[PlannedRow], None],
        name: str = "a plan",
    ) -> ImportPlan:
        """Apply the plan row by row; report and return the result of each. Raises `ForbiddenError`."""
        return await apply_rows(
            self.pool,
            actor,
            plan,
            progress,
            name=name,
            kind="organizations",
            apply_row=self.apply_row,
        )

    async def apply_row(
        self, actor: Actor, row: PlannedRow, new_id: UUID | None = None
    ) -> PlannedRow:
        """Apply one row; with the error if it fails. Importing it again does the rest.

        `new_id` is the id of an organization that the row adds, so that a row that another worker
        began adds it once.
        """
        wanted = row.wanted
        assert wanted is not None
        try:
            if row.organization_id is None:
                before = await self.add(actor, wanted, new_id)
            else:
                before = await self.organizations.get(row.organization_id)
                await self.organizations.change(actor, before.id, own_changes(wanted, before))
            await self.put_entitlements(actor, wanted, before)
        except Exception as exc:
            return refused(row, exc)
        return replace(row, organization_id=before.id)

    async def add(
        self, actor: Actor, wanted: ImportedOrganization, new_id: UUID | None
    ) -> Organization:
        """Add an organization, or find the one that the same row added.

        Raises `AddedSinceError` if another one has got its name or external id since the plan.
        """
        known = await self.find_named([wanted])
        for one in known:
            if one.id == new_id:
                return one
        others = [one for one in known if not await self.is_of_import(actor, one)]
        if find(wanted, others) is not None:
            raise AddedSinceError
        own = {name: getattr(wanted, name) for name in OWN}
        try:
            return await self.organizations.create(actor, {**NEW, **own, "id": new_id})
        except Exception:
            made = await store.find(self.pool, new_id) if new_id else None
            if made is None:
                raise
            return made

    async def is_of_import(self, actor: Actor, organization: Organization) -> bool:
        """Whether a row of the same import added an organization: two rows may have one name."""
        if actor.part_of is None:
            return False
        return bool(
            await list_audit(
                self.pool,
                part_of=actor.part_of,
                object_id=str(organization.id),
                action="organization.created",
                limit=1,
            )
        )

    async def find_named(self, rows: Sequence[ImportedOrganization]) -> list[Organization]:
        """The organizations that have a name or an external id of the rows."""
        words = {word for row in rows for word in (row.external_id, row.name) if word}
        known = await lookups.find_organizations(self.pool, words)
        return await store.find_many(self.pool, [one.id for one in known])

    async def put_entitlements(
        self, actor: Actor, wanted: ImportedOrganization, before: Organization
    ) -> None:
        """Set the given plan and trial."""
        if plan_of(wanted, before.plan) not in (None, before.plan):
            await self.organizations.put_plan(actor, before.id, partial(merge_plan, wanted))
        ends_at = wanted.trial_ends_at
        if ends_at is not None and (before.trial is None or before.trial.ends_at != ends_at):
            await self.organizations.put_trial(actor, before.id, None, ends_at)


def judge(
    row: ImportedOrganization | RowFault, known: Sequence[Organization], first: dict[object, int]
) -> PlannedRow:
    """Plan a row, or record its error. `first` maps what names an organization to its first line."""
    if isinstance(row, RowFault):
        begun = PlannedRow(row.line, "", row.name, "error", given=row.given)
        return replace(begun, code=row.code, message=row.message)
    begun = PlannedRow(row.line, "", row.name, "create", given=row.given, wanted=row)
    try:
        there = find(row, known)
        # A row without an external id, or with its first one, may name the organization of another row.
        for key in (row.external_id or (row.name,), there and there.id):
            if key is not None and (line := first.setdefault(key, row.line)) != row.line:
                raise DuplicateRowError(
                    f"This is the organization of line {line} again. This line is not used."
                )
    except CallgateError as exc:
        return begun.failed(exc)
    if there is None:
        return begun
    changes = differences(row, there)
    action: Action = "update" if changes else "unchanged"
    message = ", ".join(changes) or None
    return replace(begun, action=action, organization_id=there.id, message=message)


def find(row: ImportedOrganization, known: Sequence[Organization]) -> Organization | None:
    """The organization of a row. Raises `AmbiguousOrganizationError`.

    One with another external id is another organization, even if it has the same name.
    """
    if row.external_id is not None:
        for one in known:
            if one.external_id == row.external_id:
                return one
    named = [
        one
        for one in known
        if one.name == row.name and (row.external_id is None or one.external_id is None)
    ]
    if len(named) > 1:
        ids = listed(sorted(str(one.id) for one in named))
        raise AmbiguousOrganizationError(
            f"Several organizations have this name. Give each an external_id first ({ids})."
        )
    return named[0] if named else None


def own_changes(row: ImportedOrganization, there: Organization) -> dict[str, Any]:
    """The given fields that differ."""
    given = {name: getattr(row, name) for name in OWN}
    return {
        name: value
        for name, value in given.items()
        if value is not None and value != getattr(there, name)
    }


def plan_of(row: ImportedOrganization, there: SubscriptionPlan | None) -> SubscriptionPlan | None:
    """The plan that a row gives, with what it does not say as it is; None if it gives none."""
    if row.plan is None or row.status is None:
        return None
    begun = there or SubscriptionPlan(row.plan, row.status)
    ends = row.current_period_end or begun.current_period_end
    return replace(begun, code=row.plan, status=row.status, current_period_end=ends)


def merge_plan(row: ImportedOrganization, there: SubscriptionPlan | None) -> SubscriptionPlan:
    """The plan of a row that gives one, made of the stored one as it is at that moment: a billing system
    may have changed it since it was read."""
    plan = plan_of(row, there)
    assert plan is not None
    return replace(plan, as_of=None)


def differences(row: ImportedOrganization, there: Organization) -> list[str]:
    """The changes of a row as text."""
    found = [f"{name}: {value}" for name, value in own_changes(row, there).items()]
    if (plan := plan_of(row, there.plan)) not in (None, there.plan):
        assert plan is not None
        ends = f" until {plan.current_period_end:%Y-%m-%d}" if plan.current_period_end else ""
        found.append(f"plan: {plan.code}, {plan.status}{ends}")
    if row.trial_ends_at and (there.trial is None or there.trial.ends_at != row.trial_ends_at):
        found.append(f"trial until {row.trial_ends_at:%Y-%m-%d}")
    return found
