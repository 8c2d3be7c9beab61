"""`callgate.oidc_sign_ins`: sign-ins waiting for the provider. Each is consumed once."""

from dataclasses import dataclass

from service.store.pool import Pool

INSERT = """
INSERT INTO callgate.oidc_sign_ins (state_hash, binding_hash, nonce, verifier, return_to)
VALUES ($1, $2, $3, $4, $5)
"""

CONSUME = """
DELETE FROM callgate.oidc_sign_ins
WHERE state_hash = $1 AND binding_hash = $2 AND created_at > now() - interval '10 minutes'
RETURNING nonce, verifier, return_to
"""

DELETE_OLD = """
DELETE FROM callgate.oidc_sign_ins WHERE created_at <= now() - interval '10 minutes'
"""


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """What the provider's answer is checked against."""

    nonce: str
    verifier: str
    return_to: str


async def insert(
    pool: Pool, state_hash: bytes, binding_hash: bytes, pending: PendingSignIn
) -> None:
    await pool.execute(DELETE_OLD)
    await pool.execute(
        INSERT, state_hash, binding_hash, pending.nonce, pending.verifier, pending.return_to
    )


async def consume(pool: Pool, state_hash: bytes, binding_hash: bytes) -> PendingSignIn | None:
    """Delete and return this browser's sign-in with this state, if under ten minutes old."""
    row = await pool.fetchrow(CONSUME, state_hash, binding_hash)
    return None if row is None else PendingSignIn(**dict(row))
