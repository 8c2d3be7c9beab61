"""`callgate.oidc_sign_ins`: sign-ins waiting for the provider. Each is consumed once."""

from dataclasses import dataclass

from service.store.pool import Pool

MOST_OF_NETWORK, MOST = 20, 1000
"""Pending sign-ins from one network without a known browser, and in all."""

INSERT = """
INSERT INTO callgate.oidc_sign_ins (
    state_hash, binding_hash, nonce, verifier, return_to, network, is_known)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

DELETE_OF_NETWORK = """
DELETE FROM callgate.oidc_sign_ins WHERE state_hash IN (
    SELECT state_hash FROM callgate.oidc_sign_ins WHERE network = $1 AND NOT is_known
    ORDER BY created_at DESC OFFSET $2
)
"""

# Those of known browsers go last.
DELETE_OVER = """
DELETE FROM callgate.oidc_sign_ins WHERE state_hash IN (
    SELECT state_hash FROM callgate.oidc_sign_ins ORDER BY is_known DESC, created_at DESC OFFSET $1
)
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
    pool: Pool,
    state_hash: bytes,
    binding_hash: bytes,
    pending: PendingSignIn,
    *,
    network: str = "",
    is_known: bool = False,
    most: int = MOST,
) -> None:
    """Add a pending sign-in, and delete expired ones and the oldest over the limits."""
    await pool.execute(DELETE_OLD)
    await pool.execute(
        INSERT,
        state_hash,
        binding_hash,
        pending.nonce,
        pending.verifier,
        pending.return_to,
        network[:100],
        is_known,
    )
    await pool.execute(DELETE_OF_NETWORK, network[:100], MOST_OF_NETWORK)
    await pool.execute(DELETE_OVER, most)


async def consume(pool: Pool, state_hash: bytes, binding_hash: bytes) -> PendingSignIn | None:
    """Delete and return this browser's sign-in with this state, if under ten minutes old."""
    row = await pool.fetchrow(CONSUME, state_hash, binding_hash)
    return None if row is None else PendingSignIn(**dict(row))
