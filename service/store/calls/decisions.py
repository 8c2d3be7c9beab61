"""Stored decisions of calls: as `jsonb`, and as later messages of a call read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from policies.contract import Effect
from service.domain.calls import HangupState
from service.domain.decisions import Decision, TraceEntry
from service.store.pool import Connection, Pool

FIND_STORED = """
SELECT vapi_call_id, organization_id, blocked, gate, decision, ended_at, hangup_state
FROM callgate.calls WHERE vapi_call_id = ANY($1::text[])
"""


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """The stored decision on a call, as its later messages need it."""

    vapi_call_id: str
    organization_id: UUID | None
    blocked: bool
    gate: str
    decision: Decision
    ended: bool
    hangup_state: HangupState | None


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
            }
            for entry in decision.trace
        ],
        "decided_at": decision.decided_at.isoformat(),
    }


def load_decision(raw: dict[str, object]) -> Decision:
    """The inverse of `dump_decision`."""
    trace = raw["trace"]
    assert isinstance(trace, list)
    return Decision(
        id=UUID(str(raw["id"])),
        effect=Effect(str(raw["effect"])),
        reason=str(raw["reason"]),
        determined_by=None if raw["determined_by"] is None else str(raw["determined_by"]),
        basis="fresh" if raw["basis"] == "fresh" else "last_known_good",
        trace=tuple(TraceEntry(**entry) for entry in trace),
        decided_at=datetime.fromisoformat(str(raw["decided_at"])),
    )


async def find_decisions(
    connection: Connection | Pool, vapi_call_ids: Sequence[str]
) -> dict[str, StoredDecision]:
    """The stored decisions of these calls, by their id at Vapi."""
    rows = await connection.fetch(FIND_STORED, list(vapi_call_ids))
    return {
        row["vapi_call_id"]: StoredDecision(
            vapi_call_id=row["vapi_call_id"],
            organization_id=row["organization_id"],
            blocked=row["blocked"],
            gate=row["gate"],
            decision=load_decision(row["decision"]),
            ended=row["ended_at"] is not None,
            hangup_state=HangupState(row["hangup_state"]) if row["hangup_state"] else None,
        )
        for row in rows
    }
