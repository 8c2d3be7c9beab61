"""`callgate.sweeps`, and the reads and writes of a sweep: registered numbers by Vapi's pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from service.domain.phone_numbers import Order, SyncState
from service.domain.reconcile import AnswerFacts, WebhookClaim
from service.store.pool import Pool
from service.store.reconcile.changes import FIGHTS
from service.store.reconcile.claims import claim_of
from service.store.reconcile.state import IS_PAUSED

Outcome = Literal["running", "done", "incomplete", "held", "failed"]

BEGIN = """
INSERT INTO callgate.sweeps (started_by, dry_run, registered)
SELECT $1, $2, count(*) FROM callgate.phone_numbers WHERE released_at IS NULL
RETURNING id, registered
"""

ADVANCE = "UPDATE callgate.sweeps SET seen = $2 WHERE id = $1"

END = """
UPDATE callgate.sweeps
SET outcome = $2, figures = $3, error = $4, finished_at = now()
WHERE id = $1
"""

LAST = """
SELECT id, started_at, finished_at, started_by, dry_run, outcome, registered, seen, figures, error
FROM callgate.sweeps ORDER BY id DESC LIMIT 1
"""

LAST_FULL = """
SELECT finished_at, extract(epoch FROM finished_at - started_at)::float8 AS seconds,
    extract(epoch FROM now() - finished_at)::float8 AS age
FROM callgate.sweeps WHERE outcome = 'done' ORDER BY finished_at DESC LIMIT 1
"""

# Sweeps are kept for a month.
TRIM = "DELETE FROM callgate.sweeps WHERE started_at < now() - interval '30 days'"

# Only failed numbers wait: a number in sync may have a scheduled pass too (the end of a trial), and a
# missing number that is on a page is back. `again`: an earlier page of this sweep showed it too, which
# happens when the list shifts. `newer`: it was found in sync since the sweep began, and Vapi's lists may
# be older than that.
SEEN = f"""
SELECT s.phone_number_id, s.claim, s.failures, s.original, n.vapi_phone_number_id,
    n.released_at IS NOT NULL AS released, s.level, s.problem, s.last_applied, s.assistant_ids,
    s.ordered_by, s.ordered_from, n.organization_id, n.gate, n.answer_with, s.watched, s.wakes,
    s.ring_texts, s.ring_on, s.fallback_numbers, s.unbound,
    {IS_PAUSED} AS paused,
    NULL::float8 AS pause_left,
    ARRAY(SELECT a.vapi_assistant_id FROM callgate.assistants a
        WHERE a.organization_id = n.organization_id) AS owned_assistants,
    {FIGHTS} AS fights,
    NULL::float8 AS fight_left,
    s.state, s.seen_sweep = $2 AS again, coalesce(s.claimed_until > now(), false) AS busy,
    s.attached, s.answer_missing,
    coalesce(s.state = 'in_sync' AND s.last_checked_at > w.started_at, false) AS newer,
    s.failures > 0 AND s.state <> 'missing' AND coalesce(s.next_attempt_at > now(), false)
        AS waiting
FROM callgate.phone_numbers n JOIN callgate.webhook_states s ON s.phone_number_id = n.id
    LEFT JOIN callgate.sweeps w ON w.id = $2, callgate.reconciliation r
WHERE n.vapi_phone_number_id = ANY($1::text[]) AND n.released_at IS NULL
"""  # noqa: S608 - constants

# Here and below rows are locked in one order, so that two concurrent sweeps cannot deadlock.
MARK_SEEN = """
WITH locked AS (
    SELECT phone_number_id FROM callgate.webhook_states
    WHERE phone_number_id = ANY($2::uuid[]) ORDER BY phone_number_id FOR NO KEY UPDATE)
UPDATE callgate.webhook_states s SET seen_sweep = greatest(s.seen_sweep, $1),
    last_checked_at = CASE WHEN s.phone_number_id = ANY($3::uuid[]) AND s.state = 'in_sync'
        AND s.claimed_until IS NULL THEN now() ELSE s.last_checked_at END
FROM locked WHERE s.phone_number_id = locked.phone_number_id
"""

# Only numbers without a pass since they were read; a number's own pause is not overwritten.
RECORD_DRIFT = f"""
WITH x AS (
    SELECT x.* FROM jsonb_to_recordset($1) AS x (
        id uuid, claim bigint, state text, drift jsonb, error text, problem text)
    JOIN callgate.webhook_states w ON w.phone_number_id = x.id
    ORDER BY x.id FOR NO KEY UPDATE OF w)
UPDATE callgate.webhook_states s
SET state = CASE WHEN s.state = 'paused' AND {IS_PAUSED} THEN s.state ELSE x.state END,
    drift = x.drift, last_error = x.error, problem = x.problem, last_checked_at = now()
FROM x, callgate.reconciliation r WHERE s.phone_number_id = x.id AND s.claim = x.claim
    AND (s.claimed_until IS NULL OR s.claimed_until < now())
"""  # noqa: S608 - constants

MAKE_DUE = f"""
WITH locked AS (
    SELECT phone_number_id FROM callgate.webhook_states
    WHERE phone_number_id = ANY($1::uuid[]) ORDER BY phone_number_id FOR NO KEY UPDATE)
UPDATE callgate.webhook_states s SET next_attempt_at = now(),
    ordered_by = coalesce($2, s.ordered_by), ordered_from = coalesce($3, s.ordered_from)
FROM locked, callgate.reconciliation r WHERE s.phone_number_id = locked.phone_number_id
    AND NOT (s.state = 'paused' AND {IS_PAUSED})
    AND (s.claimed_until IS NULL OR s.claimed_until < now())
"""  # noqa: S608 - constants

UNSEEN = """
SELECT s.phone_number_id AS id, s.state = 'paused' AS paused FROM callgate.webhook_states s
JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
JOIN callgate.sweeps w ON w.id = $1
WHERE n.released_at IS NULL AND s.seen_sweep < $1 AND n.created_at < w.started_at
    AND s.state NOT IN ('missing', 'pending')
ORDER BY s.last_checked_at NULLS FIRST, n.created_at
"""

OUTCOMES = """
SELECT phone_number_id AS id, state,
    coalesce(next_attempt_at <= now() OR claimed_until > now(), false) AS busy
FROM callgate.webhook_states WHERE phone_number_id = ANY($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class SeenNumber:
    """A registered number on a page of Vapi's list, with its stored facts (`claim` is not held).

    `busy`: a pass works on it. `waiting`: it failed, and its retry is scheduled. `again`: an earlier
    page of this sweep showed it too. `newer`: it was found in sync since the sweep began. `answer`:
    what answers it, as far as it is known.
    """

    claim: WebhookClaim
    state: SyncState
    busy: bool
    waiting: bool
    again: bool
    newer: bool
    answer: AnswerFacts | None = None


@dataclass(frozen=True, slots=True)
class UnseenNumber:
    """A registered number on no page of Vapi's list, and whether its repairs are paused."""

    id: UUID
    paused: bool


@dataclass(frozen=True, slots=True)
class Sweep:
    """A stored sweep. `seen` grows while it runs."""

    id: int
    started_at: datetime
    finished_at: datetime | None
    started_by: str
    dry_run: bool
    outcome: Outcome
    registered: int
    seen: int
    figures: Mapping[str, Any]
    error: str | None


@dataclass(frozen=True, slots=True)
class LastSweep:
    """The last completed sweep: the seconds it took, and those since then."""

    finished_at: datetime
    seconds: float
    age: float


async def begin(pool: Pool, started_by: str, *, dry_run: bool) -> tuple[int, int]:
    """Begin a sweep; returns its id and how many numbers are registered."""
    row = await pool.fetchrow(BEGIN, started_by, dry_run)
    assert row is not None, "INSERT … RETURNING gives a row"
    return row["id"], row["registered"]


async def advance(pool: Pool, sweep_id: int, seen: int) -> None:
    """Record the progress of a sweep."""
    await pool.execute(ADVANCE, sweep_id, seen)


async def end(
    pool: Pool, sweep_id: int, outcome: Outcome, figures: Mapping[str, Any], error: str | None
) -> None:
    """End a sweep, and delete old ones."""
    await pool.execute(END, sweep_id, outcome, dict(figures), error)
    await pool.execute(TRIM)


async def find_last(pool: Pool) -> Sweep | None:
    """The newest sweep, running or ended."""
    row = await pool.fetchrow(LAST)
    return None if row is None else Sweep(**dict(row))


async def find_last_full(pool: Pool) -> LastSweep | None:
    """The newest completed sweep."""
    row = await pool.fetchrow(LAST_FULL)
    return None if row is None else LastSweep(**dict(row))


async def find_seen(pool: Pool, sweep_id: int, vapi_ids: Sequence[str]) -> list[SeenNumber]:
    """The registered numbers on a page."""
    rows = await pool.fetch(SEEN, list(vapi_ids), sweep_id)
    return [
        SeenNumber(
            claim_of(row),
            SyncState(row["state"]),
            row["busy"],
            row["waiting"],
            row["again"],
            row["newer"],
            answer_of(row),
        )
        for row in rows
    ]


def answer_of(row: Mapping[str, Any]) -> AnswerFacts | None:
    """What answers a number; None: not known yet."""
    if row["attached"] is None:
        return None
    return AnswerFacts(row["phone_number_id"], row["attached"], row["answer_missing"])


async def mark_seen(
    pool: Pool, sweep_id: int, seen: Sequence[UUID], in_sync: Sequence[UUID]
) -> None:
    """Record that Vapi lists these numbers, and which of them are in sync."""
    await pool.execute(MARK_SEEN, sweep_id, list(seen), list(in_sync))


async def record_drift(pool: Pool, entries: Sequence[Mapping[str, Any]]) -> None:
    """Record drift that a sweep found: id, claim, state, drift, error and problem of each number."""
    await pool.execute(RECORD_DRIFT, list(entries))


async def make_due(pool: Pool, ids: Sequence[UUID], order: Order | None) -> None:
    """Make these numbers due for the loops of all replicas, by an admin's order if there is one."""
    await pool.execute(
        MAKE_DUE, list(ids), order.by if order else None, order.source if order else None
    )


async def find_unseen(pool: Pool, sweep_id: int) -> list[UnseenNumber]:
    """Numbers on no page, longest unseen first; without those known to be missing."""
    return [UnseenNumber(**dict(row)) for row in await pool.fetch(UNSEEN, sweep_id)]


async def outcomes(pool: Pool, ids: Sequence[UUID]) -> list[tuple[UUID, SyncState, bool]]:
    """The id and state of each number, and whether a pass is due or running."""
    rows = await pool.fetch(OUTCOMES, list(ids))
    return [(row["id"], SyncState(row["state"]), bool(row["busy"])) for row in rows]
