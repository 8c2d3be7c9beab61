"""`callgate.sign_in_failures`: failed sign-ins of the last 15 minutes, shared by all replicas."""

from dataclasses import dataclass

from service.store.pool import Connection, Pool

# Both locks in one statement and in one order, so that two attempts never deadlock.
LOCK = """
SELECT pg_advisory_xact_lock(key) FROM (
    SELECT DISTINCT hashtextextended(part, 0) AS key
    FROM unnest(ARRAY['sign-in of ' || encode($1, 'hex'), 'sign-in from ' || $2]) AS part
    ORDER BY key
) AS keys
"""

COUNT = """
SELECT
    count(*) FILTER (WHERE name_hash = $1 AND address = $2) AS both,
    max(at) FILTER (WHERE name_hash = $1 AND address = $2) AS both_at,
    count(*) FILTER (WHERE name_hash = $1) AS name,
    max(at) FILTER (WHERE name_hash = $1) AS name_at,
    count(*) FILTER (WHERE address = $2) AS address,
    max(at) FILTER (WHERE address = $2) AS address_at,
    clock_timestamp() AS now
FROM callgate.sign_in_failures
WHERE (name_hash = $1 OR address = $2) AND at > clock_timestamp() - interval '15 minutes'
"""

INSERT = "INSERT INTO callgate.sign_in_failures (name_hash, address) VALUES ($1, $2)"

DELETE = "DELETE FROM callgate.sign_in_failures WHERE name_hash = $1 AND address = $2"

DELETE_OLD = """
DELETE FROM callgate.sign_in_failures WHERE id IN (
    SELECT id FROM callgate.sign_in_failures WHERE at < clock_timestamp() - interval '15 minutes'
    LIMIT 1000 FOR UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class Failures:
    """The number of failures, and the seconds since the last one."""

    count: int
    age: float


async def lock(connection: Connection, name_hash: bytes, address: str) -> None:
    """Serialize attempts for one name, and from one address."""
    await connection.execute(LOCK, name_hash, address)


async def count(
    connection: Connection, name_hash: bytes, address: str
) -> tuple[Failures, Failures, Failures]:
    """Failures of this name from this address, of this name, from this address."""
    row = await connection.fetchrow(COUNT, name_hash, address)
    assert row is not None
    found = []
    for part in ("both", "name", "address"):
        last = row[f"{part}_at"]
        age = (row["now"] - last).total_seconds() if last is not None else float("inf")
        found.append(Failures(row[part], age))
    return found[0], found[1], found[2]


async def insert(connection: Connection, name_hash: bytes, address: str) -> None:
    """Add a failure, and delete expired ones."""
    await connection.execute(DELETE_OLD)
    await connection.execute(INSERT, name_hash, address)


async def delete(database: Pool | Connection, name_hash: bytes, address: str) -> None:
    """Delete the failures of a name from an address, after a successful sign-in."""
    await database.execute(DELETE, name_hash, address)
