"""`callgate.call_events`: the steps of calls. The calls' own rows are the durable record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.domain.call_events import CallStep
from service.store.pool import Pool

# A step stands where it arrived: a late message did not bring about what happened before it came.
# Sent instants are of Vapi's clock: believed if within ten minutes before the arrival.
INSERT = """
INSERT INTO callgate.call_events (vapi_call_id, at, kind, detail)
SELECT e.vapi_call_id, e.noted_at, e.kind,
    CASE WHEN e.late BETWEEN $6 AND 600
        THEN e.detail || jsonb_build_object('late_seconds', round(e.late::numeric, 1))
        ELSE e.detail END
FROM (SELECT n.*, extract(epoch FROM n.noted_at - n.sent_at)::float8 AS late
    FROM (SELECT u.vapi_call_id, u.sent_at, u.kind, u.detail,
            clock_timestamp() - make_interval(secs => u.age) AS noted_at
        FROM unnest($1::text[], $2::timestamptz[], $3::float8[], $4::text[], $5::jsonb[])
            AS u (vapi_call_id, sent_at, age, kind, detail)) AS n) AS e
"""

LATE_SECONDS = 3.0
"""A message that is later than this arrived late; less is the way here, and the clocks."""

LIST_STEPS = """
SELECT at, kind, detail FROM callgate.call_events WHERE vapi_call_id = $1 ORDER BY at, id LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class PendingStep:
    """A step to be written. `noted_at` is monotonic; `sent_at` is Vapi's own instant."""

    vapi_call_id: str
    sent_at: datetime | None
    noted_at: float
    kind: str
    detail: Mapping[str, Any]


async def insert_steps(pool: Pool, steps: Sequence[PendingStep], now: float) -> None:
    """Write steps in one statement; `now` is monotonic."""
    await pool.execute(
        INSERT,
        [step.vapi_call_id for step in steps],
        [step.sent_at for step in steps],
        [now - step.noted_at for step in steps],
        [step.kind for step in steps],
        [step.detail for step in steps],
        LATE_SECONDS,
    )


async def list_steps(pool: Pool, vapi_call_id: str, limit: int) -> list[CallStep]:
    """The first `limit` steps of a call, in order."""
    rows = await pool.fetch(LIST_STEPS, vapi_call_id, limit)
    return [CallStep(row["at"], row["kind"], row["detail"]) for row in rows]
