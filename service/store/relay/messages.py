"""`callgate.relay_messages`: lasting messages, kept before they are acknowledged.

Of the messages of a call the undone one that was received first is its head, which alone may be
delivered. A worker that holds all undone messages of a call also gets its next one; else that one waits
for a claim of its call. No message is due before an earlier one of its call.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from service.domain.relay.messages import ClaimedMessage, KeptMessage
from service.store.pool import Connection, Pool

HELD_SECONDS = 3.0
"""How long a message waits after an outage, for earlier ones of its call that are in another replica's
spool: a replica empties some 200 MB in this time."""

# A worker whose lease is over gets no claim: its row is locked until the claim is committed.
INSERT = """
WITH me AS MATERIALIZED (
    SELECT id FROM callgate.relay_workers
    WHERE id = $1 AND alive_until > clock_timestamp() FOR KEY SHARE)
INSERT INTO callgate.relay_messages (organization_id, webhook_id, vapi_call_id, type, content_type,
    decision_id, body, size, received_at, due_at, claimed_by)
SELECT g.organization_id, g.webhook_id, g.vapi_call_id, g.type, g.content_type, g.decision_id, g.body,
    octet_length(g.body), coalesce(g.received_at, clock_timestamp()),
    greatest(coalesce(earlier.due_at, now()), now() + make_interval(secs => $11)),
    CASE WHEN g.claimed AND NOT coalesce(earlier.others, false) THEN (SELECT id FROM me) END
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[],
    $9::timestamptz[], $10::boolean[])
    AS g (organization_id, webhook_id, vapi_call_id, type, content_type, decision_id, body,
        received_at, claimed)
LEFT JOIN LATERAL (
    SELECT max(m.due_at) AS due_at, bool_or(m.claimed_by IS DISTINCT FROM $1) AS others
    FROM callgate.relay_messages m
    WHERE m.organization_id = g.organization_id AND m.vapi_call_id = g.vapi_call_id
        AND m.done_at IS NULL
) earlier ON true
ON CONFLICT ON CONSTRAINT relay_messages_webhook_id_key DO NOTHING
RETURNING id, organization_id, webhook_id, claimed_by IS NOT NULL AS claimed
"""

COLUMNS = """m.id, m.organization_id, m.webhook_id, m.vapi_call_id, m.type, m.content_type,
    m.decision_id, m.size, m.attempts, m.received_at"""

# Each organization gives a few calls at a time; of a call, the head and what is behind it.
CLAIM = f"""
WITH RECURSIVE me AS MATERIALIZED (
    SELECT id FROM callgate.relay_workers
    WHERE id = $1 AND alive_until > clock_timestamp() FOR KEY SHARE),
waiting AS (
    (SELECT organization_id FROM callgate.relay_messages
        WHERE done_at IS NULL AND claimed_by IS NULL ORDER BY organization_id LIMIT 1)
    UNION ALL
    SELECT (SELECT m.organization_id FROM callgate.relay_messages m
        WHERE m.done_at IS NULL AND m.claimed_by IS NULL
            AND m.organization_id > w.organization_id ORDER BY m.organization_id LIMIT 1)
    FROM waiting w WHERE w.organization_id IS NOT NULL),
able AS (
    SELECT w.organization_id FROM waiting w
    JOIN callgate.organizations o ON o.id = w.organization_id AND o.forward_url IS NOT NULL
    WHERE w.organization_id <> ALL($2::uuid[]) AND NOT EXISTS (
        SELECT FROM callgate.relay_states s
        WHERE s.organization_id = w.organization_id AND s.parked_at IS NOT NULL)),
due AS (
    SELECT d.id, row_number() OVER (PARTITION BY a.organization_id) AS place
    FROM able a CROSS JOIN LATERAL (
        SELECT m.id FROM callgate.relay_messages m
        WHERE m.organization_id = a.organization_id AND m.done_at IS NULL
            AND m.claimed_by IS NULL AND m.due_at <= now()
            AND NOT EXISTS (SELECT FROM callgate.relay_messages e
                WHERE e.organization_id = m.organization_id AND e.vapi_call_id = m.vapi_call_id
                    AND e.done_at IS NULL AND (e.received_at, e.id) < (m.received_at, m.id))
        ORDER BY m.due_at LIMIT $3) d),
heads AS MATERIALIZED (
    SELECT m.organization_id, m.vapi_call_id FROM callgate.relay_messages m
    WHERE m.id IN (SELECT id FROM due ORDER BY place LIMIT $4)
        AND m.done_at IS NULL AND m.claimed_by IS NULL
    FOR UPDATE OF m SKIP LOCKED),
chosen AS (
    SELECT f.id FROM heads h CROSS JOIN LATERAL (
        SELECT m.id FROM callgate.relay_messages m
        WHERE m.organization_id = h.organization_id AND m.vapi_call_id = h.vapi_call_id
            AND m.done_at IS NULL
        ORDER BY m.received_at, m.id LIMIT $5) f)
UPDATE callgate.relay_messages m SET claimed_by = me.id FROM chosen, me
WHERE m.id = chosen.id AND m.done_at IS NULL AND m.claimed_by IS NULL
RETURNING {COLUMNS}
"""  # noqa: S608

# One head of each parked server whose pause is over, the one that is due first: each failed probe makes
# its call due later, so no message is always the probe. The pause is moved on so that no other replica
# probes meanwhile.
CLAIM_PROBES = f"""
WITH me AS MATERIALIZED (
    SELECT id FROM callgate.relay_workers
    WHERE id = $1 AND alive_until > clock_timestamp() FOR KEY SHARE),
heads AS MATERIALIZED (
    SELECT s.organization_id, h.id FROM callgate.relay_states s
    JOIN callgate.organizations o ON o.id = s.organization_id AND o.forward_url IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT m.id FROM callgate.relay_messages m
        WHERE m.organization_id = s.organization_id AND m.done_at IS NULL
            AND m.claimed_by IS NULL
            AND NOT EXISTS (SELECT FROM callgate.relay_messages e
                WHERE e.organization_id = m.organization_id AND e.vapi_call_id = m.vapi_call_id
                    AND e.done_at IS NULL AND (e.received_at, e.id) < (m.received_at, m.id))
        ORDER BY m.due_at, m.received_at, m.id LIMIT 1) h
    WHERE s.parked_at IS NOT NULL AND s.probe_at <= now()),
ready AS (
    UPDATE callgate.relay_states s SET probe_at = now() + make_interval(secs => $2)
    FROM heads, me
    WHERE s.organization_id = heads.organization_id AND s.parked_at IS NOT NULL
        AND s.probe_at <= now()
    RETURNING heads.id)
UPDATE callgate.relay_messages m SET claimed_by = me.id FROM ready, me
WHERE m.id = ready.id AND m.done_at IS NULL AND m.claimed_by IS NULL
RETURNING {COLUMNS}
"""  # noqa: S608

# Ids alone may be given twice: after a failover that lost commits, one may be another message's.
LOAD = """
SELECT body FROM callgate.relay_messages WHERE id = $1 AND webhook_id = $2 AND done_at IS NULL
"""

FINISH = """
UPDATE callgate.relay_messages m SET done_at = clock_timestamp(), outcome = 'delivered',
    claimed_by = NULL, attempts = attempts + 1
FROM unnest($1::bigint[], $2::text[]) AS f (id, webhook_id)
WHERE m.id = f.id AND m.webhook_id = f.webhook_id AND m.done_at IS NULL
"""

RESUMED_SECONDS = 5.0
"""How long a message waits at most whose probe failed after its server was resumed."""

# What is behind a failed head waits with it. Id 0 gives a call back without a failure. A probe of a
# server that is not parked any more began before that: the call has no further probe, only its pause.
RETURN = """
UPDATE callgate.relay_messages m SET claimed_by = NULL,
    due_at = greatest(m.due_at, clock_timestamp() + make_interval(secs =>
        CASE WHEN f.is_probe AND NOT EXISTS (SELECT FROM callgate.relay_states s
            WHERE s.organization_id = f.organization_id AND s.parked_at IS NOT NULL)
        THEN least(f.delay, $8) ELSE f.delay END)),
    attempts = m.attempts + CASE WHEN m.id = f.id THEN 1 ELSE 0 END,
    last_error = CASE WHEN m.id = f.id THEN f.error ELSE m.last_error END
FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::float8[], $5::text[], $6::uuid[], $7::boolean[])
    AS f (id, organization_id, vapi_call_id, delay, error, worker, is_probe)
WHERE m.organization_id = f.organization_id AND m.vapi_call_id = f.vapi_call_id
    AND m.done_at IS NULL AND (m.claimed_by IS NULL OR m.claimed_by = f.worker)
"""


@dataclass(frozen=True, slots=True)
class ReturnedCall:
    """A call whose messages wait for a new claim, at the earliest in `delay` seconds. `id` is its
    message that failed with `error`, as a probe of a parked server perhaps; 0: none did."""

    organization_id: UUID
    vapi_call_id: str
    worker: UUID
    id: int = 0
    delay: float = 0.0
    error: str | None = None
    is_probe: bool = False


@dataclass(frozen=True, slots=True)
class InsertedMessage:
    """The row of a message that was not kept before."""

    id: int
    claimed: bool


async def insert(
    database: Pool | Connection,
    worker: UUID,
    messages: Sequence[tuple[KeptMessage, bool]],
    *,
    held_seconds: float = 0.0,
) -> dict[tuple[UUID, str], InsertedMessage]:
    """Keep messages in their order, each with whether this worker wants to deliver it; due in
    `held_seconds` at the earliest.

    Returns the new rows by organization and webhook id; a message that was kept before has none.
    """
    rows = await database.fetch(
        INSERT,
        worker,
        [one.organization_id for one, _ in messages],
        [one.webhook_id for one, _ in messages],
        [one.vapi_call_id for one, _ in messages],
        [one.type for one, _ in messages],
        [one.content_type for one, _ in messages],
        [one.decision_id for one, _ in messages],
        [one.body for one, _ in messages],
        [one.received_at for one, _ in messages],
        [wanted for _, wanted in messages],
        held_seconds,
    )
    return {
        (row["organization_id"], row["webhook_id"]): InsertedMessage(row["id"], row["claimed"])
        for row in rows
    }


async def claim_due(
    pool: Pool, worker: UUID, *, busy: Sequence[UUID], calls: int, most: int, behind: int
) -> list[ClaimedMessage]:
    """Claim calls whose head is due, at most `calls` of an organization and `most` in all, with up to
    `behind` messages each. Organizations in `busy` are left out."""
    return claimed(await pool.fetch(CLAIM, worker, list(busy), calls, most, behind))


async def claim_probes(pool: Pool, worker: UUID, seconds: float) -> list[ClaimedMessage]:
    """Claim one message of each parked server that is to be probed now; the next probe is `seconds`
    later unless this one ends before."""
    return claimed(await pool.fetch(CLAIM_PROBES, worker, seconds))


def claimed(rows: Iterable[Mapping[str, Any]]) -> list[ClaimedMessage]:
    """Rows in the order of their calls."""
    ordered = sorted(rows, key=lambda row: (row["received_at"], row["id"]))
    names = [item.name for item in fields(ClaimedMessage)]
    return [ClaimedMessage(**{name: row[name] for name in names}) for row in ordered]


async def load(pool: Pool, message_id: int, webhook_id: str) -> bytes | None:
    """The body of a message that is not done; None if it is."""
    body: bytes | None = await pool.fetchval(LOAD, message_id, webhook_id)
    return body


async def finish(pool: Pool, delivered: Sequence[tuple[int, str]]) -> None:
    """Note that these were delivered, each given by its id and its webhook id."""
    ids, webhook_ids = [one for one, _ in delivered], [one for _, one in delivered]
    await pool.execute(FINISH, ids, webhook_ids)


async def give_back(pool: Pool, calls: Sequence[ReturnedCall]) -> None:
    """Let calls wait for a new claim."""
    await pool.execute(
        RETURN,
        [one.id for one in calls],
        [one.organization_id for one in calls],
        [one.vapi_call_id for one in calls],
        [one.delay for one in calls],
        [one.error for one in calls],
        [one.worker for one in calls],
        [one.is_probe for one in calls],
        RESUMED_SECONDS,
    )
