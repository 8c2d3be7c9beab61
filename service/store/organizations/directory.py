"""Reads the entries of the access directory: organizations with entitlements and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from policies.entitlements import Override, PlanLimits, SubscriptionPlan, Trial
from service.domain.handling import BlockedMessage, Handling
from service.domain.instants import find_within, within
from service.domain.organizations import Organization
from service.domain.phone_numbers import NumberGate, PhoneNumber
from service.domain.policies.choices import GeneralChoices
from service.store.organizations.past_changes import PastChange, parse_changes
from service.store.policies.choices import choice_of, own_choices_of
from service.store.pool import Connection, Pool

CHANNEL = "callgate_directory"
BATCH = 100
"""Organizations in one answer: building their entries must not hold up this replica's calls."""

NumberRow: TypeAlias = tuple[UUID, str, str | None, str | None, NumberGate, dict[str, Any] | None]
NUMBERS = msgspec.json.Decoder(list[NumberRow])

ENTRIES = """
SELECT o.id, o.name, o.external_id, o.blocked_message, o.forward_url, o.attributes,
    o.handling, o.blocked_messages, o.time_zone,
    o.relay_secret, o.relay_secret_before, o.relay_secret_before_until,
    p.code, p.status, p.current_period_end, p.grace_period_end, p.cancel_at_period_end, p.limits,
    o.plan_as_of,
    t.starts_at AS trial_starts_at, t.ends_at AS trial_ends_at,
    v.effect, v.reason, v.author, v.starts_at, v.expires_at,
    (SELECT array_agg(a.vapi_assistant_id ORDER BY a.vapi_assistant_id)
        FROM callgate.assistants a WHERE a.organization_id = o.id) AS assistant_ids,
    (SELECT jsonb_agg(jsonb_build_array(
            n.id, n.vapi_phone_number_id, n.number, n.label, n.gate, n.answer_with))::text
        FROM callgate.phone_numbers n
        WHERE n.organization_id = o.id AND n.released_at IS NULL) AS numbers,
    (SELECT jsonb_object_agg(c.name, jsonb_build_object('mode', c.mode, 'settings', c.settings))
        FROM callgate.organization_policies c WHERE c.organization_id = o.id) AS policies,
    (SELECT jsonb_agg(jsonb_build_array(h.at, h.kind, h.key, h.before) ORDER BY h.at, h.id)
        FROM (
            SELECT id, at, kind, key, before,
                row_number() OVER (PARTITION BY key IS NULL ORDER BY at DESC, id DESC) AS place
            FROM callgate.entitlement_history
            WHERE organization_id = o.id AND undoes AND at > now() - interval '13 hours'
        ) h WHERE h.place <= 1000) AS changes
FROM callgate.organizations o
LEFT JOIN callgate.plans p ON p.organization_id = o.id
LEFT JOIN callgate.trials t ON t.organization_id = o.id
LEFT JOIN callgate.overrides v ON v.organization_id = o.id
"""

SOME_ENTRIES = ENTRIES + "WHERE o.id = ANY($1::uuid[])"

# A beat brings the choices for all organizations as well: they are few, and must not depend on a
# notification of their own.
BEAT = """
SELECT clock_timestamp() AS at, pg_notify('callgate_directory', $1),
    (SELECT jsonb_object_agg(c.name, to_jsonb(c)) FROM callgate.policy_choices c) AS choices
"""


class Beat(NamedTuple):
    """The answer to a beat: the database's time, and the choices for all organizations."""

    at: datetime
    choices: GeneralChoices


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One organization with its registered numbers, as the directory holds it.

    `changes` are the latest ones of the last hours, oldest first.
    """

    organization: Organization
    phone_numbers: tuple[PhoneNumber, ...]
    changes: tuple[PastChange, ...] = ()


def entry_of(row: Any) -> DirectoryEntry:
    """Build an entry from a row of `ENTRIES`."""
    plan, trial, override = entitlements_of(row)
    organization = Organization(
        id=row["id"],
        name=row["name"],
        external_id=row["external_id"],
        blocked_message=row["blocked_message"],
        forward_url=row["forward_url"],
        attributes=row["attributes"],
        assistant_ids=tuple(row["assistant_ids"] or ()),
        handling=Handling.parse(row["handling"]),
        blocked_messages=tuple(BlockedMessage(**entry) for entry in row["blocked_messages"]),
        plan=plan,
        trial=trial,
        override=override,
        relay_secret=row["relay_secret"],
        former_relay_secret=row["relay_secret_before"],
        former_relay_secret_until=row["relay_secret_before_until"],
        time_zone=row["time_zone"],
        policies=own_choices_of(row["policies"]),
    )
    numbers = numbers_of(row["id"], row["numbers"])
    return DirectoryEntry(organization, numbers, parse_changes(row.get("changes")))


def numbers_of(owner: UUID, text: str | None) -> tuple[PhoneNumber, ...]:
    """The numbers of an organization, from their JSON: a start reads 100,000 at once."""
    if text is None:
        return ()
    return tuple(
        PhoneNumber(number_id, owner, vapi_id, number, label, gate, answer_with)
        for number_id, vapi_id, number, label, gate, answer_with in NUMBERS.decode(text)
    )


def entitlements_of(row: Any) -> tuple[SubscriptionPlan | None, Trial | None, Override | None]:
    """The plan, trial and override of a row that has their columns as `ENTRIES` has."""
    plan = trial = override = None
    if row["status"] is not None:
        plan = plan_of(row)
    if row["trial_ends_at"] is not None:
        trial = Trial(within(row["trial_starts_at"]), within(row["trial_ends_at"]))
    if row["effect"] is not None:
        override = Override(
            row["effect"],
            row["reason"],
            row["author"],
            find_within(row["starts_at"]),
            find_within(row["expires_at"]),
        )
    return plan, trial, override


def plan_of(row: Any) -> SubscriptionPlan:
    """The plan of a row of `ENTRIES`."""
    return SubscriptionPlan(
        row["code"],
        row["status"],
        find_within(row["current_period_end"]),
        find_within(row["grace_period_end"]),
        row["cancel_at_period_end"],
        None if row["limits"] is None else PlanLimits(**row["limits"]),
        find_within(row["plan_as_of"]),
    )


def beat_of(row: Any) -> Beat:
    """A beat from the row of `BEAT`."""
    choices = {name: choice_of(one) for name, one in (row["choices"] or {}).items()}
    return Beat(row["at"], choices)


async def read_some(
    database: Pool | Connection, organization_ids: Sequence[UUID]
) -> dict[UUID, DirectoryEntry]:
    """The entries of these organizations; removed ones are missing."""
    rows = await database.fetch(SOME_ENTRIES, list(organization_ids))
    return {row["id"]: entry_of(row) for row in rows}
