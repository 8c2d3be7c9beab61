"""Stored decisions of calls: as `jsonb`, and as later messages of a call read them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from policies.contract import Effect
from service.domain.call_records.details import CallDetails
from service.domain.calls import CallKey
from service.domain.decisions import NO_TERMS, Basis, CallTerms, Decision, SlotUse, TraceEntry
from service.domain.policies.choices import PolicyMode
from service.store.calls.details import details_of_row
from service.store.pool import Connection, Pool

MODES: Mapping[str, PolicyMode] = {"off": "off", "shadow": "shadow"}

BASES: Mapping[str, Basis] = {"fresh": "fresh", "reconstructed": "reconstructed"}

TERMS = tuple(one.name for one in fields(CallTerms))

# As `Decision.diverts` says it of a blocked call.
IS_DIVERTED = "(blocked AND decision ? 'divert_to')"

# For `vapi_call_id = ANY($1)` PostgreSQL plans anew each time, for every month's partition, since it
# expects ten ids of an array that it does not know. From this it expects one and keeps the plan, which
# saves 2 ms with a year of months.
ASKED_CALLS = """
(SELECT call_id FROM unnest($1::text[]) AS given (call_id) LIMIT cardinality($1::text[])) AS asked
JOIN callgate.calls ON vapi_call_id = call_id
"""

FIND_STORED = f"""
SELECT vapi_call_id, organization_id, vapi_phone_number_id, blocked, gate, decision, hangup_state,
    owner_checked_at IS NOT NULL AS owner_checked, started_at,
    ended_at IS NULL AND control_url IS NULL OR type IS NULL OR phone_number_id IS NULL
        OR vapi_phone_number_id IS NULL OR decision->'trace' = '[]' AS lacks_facts,
    customer_number, line_number, assistant_id, connected, doubts,
    CASE WHEN ended_at IS NULL THEN slots END AS slots
FROM {ASKED_CALLS}
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """The stored decision on a call for one organization, as its later messages need it.

    `owner` is the decision of the call's own organization where this one is another's claim.
    `owner_checked`: Vapi has told whose call it is. `hung_up`: a hang-up was ordered. `lacks_facts`: the
    row lacks its type, its number, its trace or, of a call that goes on, its control URL. `slots` are
    those of limits that it holds.
    """

    vapi_call_id: str
    organization_id: UUID | None
    vapi_phone_number_id: str | None
    blocked: bool
    gate: str
    decision: Decision
    hung_up: bool
    owner_checked: bool = False
    started_at: datetime | None = None
    lacks_facts: bool = False
    details: CallDetails = field(default_factory=CallDetails)
    owner: "StoredDecision | None" = None
    slots: tuple[str, ...] = ()

    @property
    def key(self) -> CallKey:
        return self.vapi_call_id, self.organization_id


# As `decider_of` says it of a row of `callgate.calls`.
DECIDED_BY = """coalesce((SELECT entry ->> 'policy'
    FROM jsonb_array_elements(decision -> 'trace') AS entry
    WHERE entry ->> 'policy' = decision ->> 'determined_by'
        AND coalesce(entry ->> 'counted_as', entry ->> 'effect') IN ('allow', 'deny')
    LIMIT 1), 'default')"""


def dump_decision(decision: Decision) -> dict[str, object]:
    """A decision as its `jsonb` column stores it.

    Terms and limits of policies stand in `said`, beside the trace: the version before, which reads rows
    of this one during an upgrade, knows no other fields of a trace.
    """
    said = {entry.policy: dump_said(entry) for entry in decision.trace}
    return {
        "id": str(decision.id),
        "effect": decision.effect.value,
        "reason": decision.reason,
        "determined_by": decision.determined_by,
        "basis": decision.basis,
        "trace": [
            {
                "policy": entry.policy,
                "effect": entry.effect,
                "reason": entry.reason,
                "counted_as": entry.counted_as,
                "duration_ms": entry.duration_ms,
                **({"note": entry.note} if entry.note else {}),
                **({"warning": entry.warning} if entry.warning else {}),
            }
            for entry in decision.trace
        ],
        **(
            {"said": {policy: one for policy, one in said.items() if one}}
            if any(said.values())
            else {}
        ),
        **dump_terms(decision.terms),
        "decided_at": decision.decided_at.isoformat(),
    }


def dump_said(entry: TraceEntry) -> dict[str, object]:
    """What a policy says beside its verdict."""
    limits = {"limits": list(map(dump_limit, entry.limits))} if entry.limits else {}
    return {**dump_terms(entry.terms), **limits}


def dump_terms(terms: CallTerms) -> dict[str, object]:
    """Those that are given, as keys beside others."""
    if terms is NO_TERMS:
        return {}
    until = terms.until.isoformat() if terms.until else None
    return {k: v for k, v in {**asdict(terms), "until": until}.items() if v is not None}


def load_terms(raw: Mapping[str, Any]) -> CallTerms:
    """The inverse of `dump_terms`."""
    found = {name: raw[name] for name in TERMS if raw.get(name) is not None}
    if "until" in found:
        found["until"] = datetime.fromisoformat(found["until"])
    return CallTerms(**found) if found else NO_TERMS


def load_entry(raw: Mapping[str, Any], said: Mapping[str, Any]) -> TraceEntry:
    """One policy's verdict, as stored. Its mode is not: the reason of one that did not count says it,
    which the version before can read too."""
    limits = tuple(SlotUse(**one) for one in said.get("limits", ()))
    mode = MODES.get(str(raw.get("reason"))) if raw["effect"] == "skipped" else None
    return TraceEntry(**raw, terms=load_terms(said), mode=mode or "enforce", limits=limits)


def load_decision(raw: dict[str, Any]) -> Decision:
    """The inverse of `dump_decision`."""
    trace = raw["trace"]
    assert isinstance(trace, list)
    said = raw.get("said", {})
    return Decision(
        id=UUID(str(raw["id"])),
        effect=Effect(str(raw["effect"])),
        reason=str(raw["reason"]),
        determined_by=None if raw["determined_by"] is None else str(raw["determined_by"]),
        basis=BASES.get(str(raw["basis"]), "last_known_good"),
        trace=tuple(load_entry(one, said.get(one["policy"], {})) for one in trace),
        decided_at=datetime.fromisoformat(str(raw["decided_at"])),
        terms=load_terms(raw),
    )


def dump_limit(limit: SlotUse) -> dict[str, object]:
    """A limit as the trace of a stored decision has it."""
    return {
        "name": limit.name,
        "capacity": limit.capacity,
        "reason": limit.reason,
        **({} if limit.in_use is None else {"in_use": limit.in_use}),
        **({} if limit.share is None else {"share": limit.share}),
    }


def stored_from_row(row: Mapping[str, Any]) -> StoredDecision:
    """A row of `FIND_STORED`."""
    return StoredDecision(
        vapi_call_id=row["vapi_call_id"],
        organization_id=row["organization_id"],
        vapi_phone_number_id=row["vapi_phone_number_id"],
        blocked=row["blocked"],
        gate=row["gate"],
        decision=load_decision(row["decision"]),
        hung_up=row["hangup_state"] is not None,
        owner_checked=row["owner_checked"],
        started_at=row["started_at"],
        lacks_facts=row["lacks_facts"],
        details=details_of_row(row),
        slots=tuple(row["slots"] or ()),
    )


async def find_decisions(
    connection: Connection | Pool, vapi_call_ids: Sequence[str]
) -> dict[str, StoredDecision]:
    """The stored decisions of these calls, by their id at Vapi."""
    rows = await connection.fetch(FIND_STORED, list(vapi_call_ids))
    return {row["vapi_call_id"]: stored_from_row(row) for row in rows}
