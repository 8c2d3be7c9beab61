"""The secrets that sign relayed messages, sealed, as columns of `callgate.organizations`."""

from uuid import UUID

from service.store.pool import Connection, Pool
from service.store.vault import Vault

OVERLAP_SECONDS = 24 * 3600.0
"""How long former secrets sign beside the newest one."""

PUT = """
UPDATE callgate.organizations SET relay_secret = $2, relay_secret_before = $3,
    relay_secret_before_until = now() + make_interval(secs => $4)
WHERE id = $1
"""

FIND_FORMER = """
SELECT relay_secret_before FROM callgate.organizations
WHERE id = $1 AND relay_secret_before_until > now()
"""

LIST = """
SELECT id, relay_secret, relay_secret_before FROM callgate.organizations
WHERE relay_secret IS NOT NULL AND NOT (relay_secret LIKE $1
    AND coalesce(relay_secret_before LIKE $1, true))
ORDER BY id
"""

SEAL = """
UPDATE callgate.organizations SET relay_secret = $3, relay_secret_before = $4
WHERE id = $1 AND relay_secret = $2
"""


async def find_former(connection: Connection, organization_id: UUID) -> str | None:
    """The former secrets that sign now, sealed as one text, separated by spaces."""
    former: str | None = await connection.fetchval(FIND_FORMER, organization_id)
    return former


async def put(
    connection: Connection, organization_id: UUID, *, secret: object, former: object
) -> None:
    """Set a secret; the former ones sign beside it for a day. Both are sealed."""
    await connection.execute(PUT, organization_id, secret, former, OVERLAP_SECONDS)


async def reseal(pool: Pool, vault: Vault) -> None:
    """Encrypt anew what an older key encrypted."""
    for row in await pool.fetch(LIST, f"sealed.v1.{vault.first}.%"):
        secret, former = row["relay_secret"], row["relay_secret_before"]
        sealed = vault.seal(secret), vault.seal(former)
        if sealed != (secret, former):
            await pool.execute(SEAL, row["id"], secret, *sealed)
