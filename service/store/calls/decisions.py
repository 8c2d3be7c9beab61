"""Stored decisions of calls: as `jsonb`, and as later messages of a call read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from policies.contract import Effect
from service.domain.call_records.details import CallDetails
from service.domain.calls import CallKey
from service.domain.decisions import Basis, CallTerms, Decision, TraceEntry
from service.domain.policies.choices import PolicyMode
from service.store.calls.details import details_of_row
from service.store.pool import Connection, Pool

MODES: Mapping[str, PolicyMode] = {"off": "off", "shadow": "shadow"}

BASES: Mapping[str, Basis] = {"fresh": "fresh", "reconstructed": "reconstructed"}

# As `Decision.diverts` says it of a blocked call.
IS_DIVERTED = "(blocked AND decision ? 'divert_to')"

FIND_STORED = """
SELECT vapi_call_id, organization_id, vapi_phone_number_id, blocked, gate, decision, hangup_state,
    owner_checked_at IS NOT NULL AS owner_checked, started_at,
    ended_at IS NULL AND control_url IS NULL OR type IS NULL OR phone_number_id IS NULL
        OR vapi_phone_number_id IS NULL OR decision->'trace' = '[]' AS lacks_facts,
    customer_number, line_number, assistant_id, connected, doubts
FROM callgate.calls WHERE vapi_call_id = ANY($1::text[])
"""


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """The stored decision on a call for one organization, as its later messages need it.

    `owner` is the decision of the call's own organization where this one is another's claim.
    `owner_checked`: Vapi has told whose call it is. `hung_up`: a hang-up was ordered. `lacks_facts`: the
    row lacks its type, its number, its trace or, of a call that goes on, its control URL.
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
    """A decision as its `jsonb` column stores it."""
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
                **given(max_duration_seconds=entry.max_duration_seconds),
            }
            for entry in decision.trace
        ],
        **given(
            message=decision.terms.message,
            divert_to=decision.terms.divert_to,
            max_duration_seconds=decision.terms.max_duration_seconds,
        ),
        "decided_at": decision.decided_at.isoformat(),
    }


def given(**values: object) -> dict[str, object]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def load_decision(raw: dict[str, Any]) -> Decision:
    """The inverse of `dump_decision`."""
    trace = raw["trace"]
    assert isinstance(trace, list)
    return Decision(
        id=UUID(str(raw["id"])),
        effect=Effect(str(raw["effect"])),
        reason=str(raw["reason"]),
        determined_by=None if raw["determined_by"] is None else str(raw["determined_by"]),
        basis=BASES.get(str(raw["basis"]), "last_known_good"),
        trace=tuple(load_entry(entry) for entry in trace),
        decided_at=datetime.fromisoformat(str(raw["decided_at"])),
        terms=CallTerms(raw.get("message"), raw.get("divert_to"), raw.get("max_duration_seconds")),
    )


def load_entry(raw: dict[str, Any]) -> TraceEntry:
    """An entry of a trace. Its mode is not stored: the reason of one that did not count says it, which
    the version before can read too."""
    entry = TraceEntry(**raw)
    mode = MODES.get(str(entry.reason)) if entry.effect == "skipped" else None
    return entry if mode is None else replace(entry, mode=mode)


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
    )


async def find_decisions(
    connection: Connection | Pool, vapi_call_ids: Sequence[str]
) -> dict[str, StoredDecision]:
    """The stored decisions of these calls, by their id at Vapi."""
    rows = await connection.fetch(FIND_STORED, list(vapi_call_ids))
    return {row["vapi_call_id"]: stored_from_row(row) for row in rows}
