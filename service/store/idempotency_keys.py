"""`callgate.idempotency_keys`: which POST a key stands for, and its first answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from service.store.pool import Connection, Pool

KEPT = timedelta(hours=24)

# A key is free again after its time, and when its run ended without having changed anything.
CLAIM = """
INSERT INTO callgate.idempotency_keys AS k (owner, key, request, claimed_until)
VALUES ($1, $2, $3, now() + make_interval(secs => $4))
ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE SET
    request = excluded.request, created_at = now(), claim = k.claim + 1,
    claimed_until = excluded.claimed_until, applied_at = NULL, status = NULL, headers = NULL,
    body = NULL
WHERE k.created_at < now() - make_interval(secs => $5)
    OR (k.status IS NULL AND k.applied_at IS NULL AND k.claimed_until < now()
        AND k.request = excluded.request)
RETURNING claim
"""

FIND = """
SELECT request, claimed_until > now() AS is_held, status, headers, body
FROM callgate.idempotency_keys WHERE owner = $1 AND key = $2
"""

MARK_APPLIED = """
UPDATE callgate.idempotency_keys SET applied_at = coalesce(applied_at, now())
WHERE owner = $1 AND key = $2 AND claim = $3 AND status IS NULL RETURNING true
"""

KEEP_ANSWER = """
UPDATE callgate.idempotency_keys SET status = $4, headers = $5, body = $6
WHERE owner = $1 AND key = $2 AND claim = $3 AND status IS NULL
"""

RELEASE = """
DELETE FROM callgate.idempotency_keys
WHERE owner = $1 AND key = $2 AND claim = $3 AND applied_at IS NULL AND status IS NULL
RETURNING true
"""

END = """
UPDATE callgate.idempotency_keys SET claimed_until = now()
WHERE owner = $1 AND key = $2 AND claim = $3 AND status IS NULL
"""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The first answer: its status, the headers that belong to it, and its body."""

    status: int
    headers: Mapping[str, str]
    body: str | None


@dataclass(frozen=True, slots=True)
class KeyState:
    """What is known of a key. `request` is the digest of the request that came with it first.

    Without an answer, the first request is under way (`is_held`), or its answer was lost.
    """

    request: bytes
    is_held: bool
    answer: KeptAnswer | None


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """The right to carry out the request of a key; `number` is a fencing token."""

    owner: str
    key: str
    number: int


async def claim(
    pool: Pool, owner: str, key: str, *, request: bytes, seconds: float
) -> KeyClaim | None:
    """Claim a key for a request that takes at most `seconds`; None if the key is in use."""
    number = await pool.fetchval(CLAIM, owner, key, request, seconds, KEPT.total_seconds())
    return None if number is None else KeyClaim(owner, key, number)


async def find(pool: Pool, owner: str, key: str) -> KeyState | None:
    row = await pool.fetchrow(FIND, owner, key)
    if row is None:
        return None
    answer = None
    if row["status"] is not None:
        answer = KeptAnswer(row["status"], row["headers"], row["body"])
    return KeyState(row["request"], row["is_held"], answer)


async def mark_applied(connection: Connection, held: KeyClaim) -> bool:
    """Note, in the transaction of a change, that the request was carried out; False if the claim is
    lost."""
    return bool(await connection.fetchval(MARK_APPLIED, held.owner, held.key, held.number))


async def keep_answer(pool: Pool, held: KeyClaim, answer: KeptAnswer) -> None:
    """Keep the first answer."""
    await pool.execute(
        KEEP_ANSWER,
        *(held.owner, held.key, held.number),
        *(answer.status, dict(answer.headers), answer.body),
    )


async def release(pool: Pool, held: KeyClaim) -> bool:
    """Free the key; False if its request changed something."""
    return bool(await pool.fetchval(RELEASE, held.owner, held.key, held.number))


async def end(pool: Pool, held: KeyClaim) -> None:
    """End a run whose answer is lost; what it changed stays."""
    await pool.execute(END, held.owner, held.key, held.number)
