"""Entries of the directory as they were: the present entry without the changes since. No I/O."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from policies.entitlements import Override, PlanLimits, SubscriptionPlan, Trial
from service.domain.handling import Handling
from service.domain.phone_numbers import PhoneNumber
from service.domain.policies.choices import OwnChoice
from service.store.organizations.directory import DirectoryEntry
from service.store.organizations.past_changes import PastChange, find_stored, parse_stored


def find_entry_at(entry: DirectoryEntry, at: datetime) -> DirectoryEntry | None:
    """The entry at an instant; None: the organization did not exist yet.

    Before the oldest change that is kept the facts are those from before that change.
    """
    undone = [change for change in entry.changes if change.at > at]
    organization, numbers = (
        entry.organization,
        {n.vapi_phone_number_id: n for n in entry.phone_numbers},
    )
    assistants = dict.fromkeys(organization.assistant_ids)
    policies = dict(organization.policies)
    for change in reversed(undone):
        if change.kind == "organizations" and change.before is None:
            return None
        if change.kind == "phone_numbers" and change.key is not None:
            numbers.pop(change.key, None)
            if change.before is not None:
                numbers[change.key] = number_of(organization.id, change.before)
        elif change.kind == "assistants" and change.key is not None:
            assistants.pop(change.key, None)
            if change.before is not None:
                assistants[change.key] = None
        elif change.kind == "organization_policies" and change.key is not None:
            policies.pop(change.key, None)
            if change.before is not None:
                policies[change.key] = OwnChoice(**change.before)
        else:
            organization = replace(organization, **undo(change))
    if not undone:
        return entry
    organization = replace(organization, assistant_ids=tuple(sorted(assistants)), policies=policies)
    return DirectoryEntry(organization, tuple(numbers.values()), entry.changes)


def undo(change: PastChange) -> dict[str, Any]:
    """The fields of an organization as they were before a change of it or of its entitlements."""
    row = change.before
    if change.kind == "organizations" and row is not None:
        return {**row, "handling": Handling.parse(row["handling"])}
    if change.kind == "plans":
        return {"plan": None if row is None else plan_of(row)}
    if change.kind == "trials":
        return {"trial": None if row is None else trial_of(row)}
    if change.kind == "overrides":
        return {"override": None if row is None else override_of(row)}
    return {}


def number_of(organization_id: UUID, row: Mapping[str, Any]) -> PhoneNumber:
    """A number of an organization, from its row."""
    return PhoneNumber(
        UUID(row["id"]),
        organization_id,
        row["vapi_phone_number_id"],
        row["number"],
        row["label"],
        row["gate"],
        row["answer_with"],
    )


def plan_of(row: Mapping[str, Any]) -> SubscriptionPlan:
    """A plan from its row as JSON."""
    limits = row["limits"]
    return SubscriptionPlan(
        row["code"],
        row["status"],
        find_stored(row["current_period_end"]),
        find_stored(row["grace_period_end"]),
        row["cancel_at_period_end"],
        None if limits is None else PlanLimits(**limits),
        find_stored(row.get("plan_as_of")),
    )


def trial_of(row: Mapping[str, Any]) -> Trial:
    """A trial from its row as JSON."""
    return Trial(parse_stored(row["starts_at"]), parse_stored(row["ends_at"]))


def override_of(row: Mapping[str, Any]) -> Override:
    """An override from its row as JSON."""
    return Override(
        row["effect"],
        row["reason"],
        row["author"],
        find_stored(row["starts_at"]),
        find_stored(row["expires_at"]),
    )
