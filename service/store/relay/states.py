"""`callgate.relay_states`: servers that fail, and those that are parked, for all replicas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from service.domain.relay.messages import RelayStatus
from service.store.pool import Pool

PARK_AFTER = 10
"""Failures in a row, over all replicas, after which a server is parked."""
FIRST_PROBE_SECONDS = 5.0
LONGEST_PROBE_SECONDS = 300.0

# In one statement: failures that are counted by the first of two would be counted again if PostgreSQL
# were away before the second. A row that is parked by this statement has its instant.
FAIL = """
INSERT INTO callgate.relay_states AS s (organization_id, failures, last_error, last_error_at, parked_at,
    probe_at)
SELECT g.owner, g.failures, g.error, now(), CASE WHEN g.failures >= $4 THEN now() END,
    CASE WHEN g.failures >= $4 THEN now() + make_interval(secs => $5) END
FROM unnest($1::uuid[], $2::integer[], $3::text[]) AS g (owner, failures, error)
ON CONFLICT ON CONSTRAINT relay_states_pkey DO UPDATE SET
    failures = s.failures + excluded.failures, last_error = excluded.last_error,
    last_error_at = excluded.last_error_at,
    (parked_at, probe_at, probes) = (
        SELECT CASE WHEN parks THEN now() ELSE s.parked_at END,
            CASE WHEN parks THEN now() + make_interval(secs => $5) ELSE s.probe_at END,
            CASE WHEN parks THEN 0 ELSE s.probes END
        FROM (SELECT s.parked_at IS NULL AND s.failures + excluded.failures >= $4 AS parks) one)
RETURNING organization_id, coalesce(parked_at = now(), false) AS is_parked_now
"""

# Each probe that fails doubles the pause.
PROBED = """
UPDATE callgate.relay_states SET probes = probes + 1,
    probe_at = now() + make_interval(secs => least($3::float8, $2 * 2.0 ^ least(probes + 1, 20)))
WHERE organization_id = ANY($1::uuid[]) AND parked_at IS NOT NULL
"""

# In one statement: a server that resumed is not told from others any more, and what waits for it would
# keep the pauses of its failures, up to an hour.
SUCCEED = """
WITH failing AS MATERIALIZED (
    SELECT organization_id, parked_at FROM callgate.relay_states
    WHERE organization_id = ANY($1::uuid[]) AND (failures > 0 OR parked_at IS NOT NULL)
    ORDER BY organization_id FOR UPDATE),
forgotten AS (
    UPDATE callgate.relay_states s SET failures = 0, parked_at = NULL, probe_at = NULL, probes = 0
    FROM failing WHERE s.organization_id = failing.organization_id
    RETURNING s.organization_id, failing.parked_at IS NOT NULL AS was_parked),
due AS (
    UPDATE callgate.relay_messages m SET due_at = now() FROM forgotten
    WHERE forgotten.was_parked AND m.organization_id = forgotten.organization_id
        AND m.done_at IS NULL AND m.due_at > now())
SELECT organization_id FROM forgotten WHERE was_parked
"""

LIST_PARKED = "SELECT organization_id FROM callgate.relay_states WHERE parked_at IS NOT NULL"

LIST_PARKED_ORGANIZATIONS = """
SELECT o.id, o.name, (SELECT count(*) FROM callgate.relay_messages m
    WHERE m.organization_id = o.id AND m.done_at IS NULL) AS waiting
FROM callgate.relay_states s JOIN callgate.organizations o ON o.id = s.organization_id
WHERE s.parked_at IS NOT NULL AND o.forward_url IS NOT NULL ORDER BY waiting DESC, o.id LIMIT $1
"""

FIND = """
SELECT s.parked_at, s.probe_at, s.last_error, s.last_error_at, coalesce(s.dropped, 0) AS dropped,
    count(m.id) AS waiting, min(m.received_at) AS oldest_at
FROM (SELECT $1::uuid AS organization_id) o
LEFT JOIN callgate.relay_states s USING (organization_id)
LEFT JOIN callgate.relay_messages m
    ON m.organization_id = o.organization_id AND m.done_at IS NULL
GROUP BY 1, 2, 3, 4, 5
"""


@dataclass(frozen=True, slots=True)
class ParkedOrganization:
    """An organization whose server is parked, and how many messages wait for it."""

    id: UUID
    name: str
    waiting: int


async def list_parked_organizations(pool: Pool, limit: int) -> list[ParkedOrganization]:
    """Organizations whose servers are parked, those with most messages first."""
    rows = await pool.fetch(LIST_PARKED_ORGANIZATIONS, limit)
    return [ParkedOrganization(**row) for row in rows]


async def fail(pool: Pool, failures: Mapping[UUID, tuple[int, str]]) -> list[UUID]:
    """Count failures, with the last error of each organization; returns those that are parked by it."""
    owners = sorted(failures)
    counts, errors = [failures[one][0] for one in owners], [failures[one][1] for one in owners]
    rows = await pool.fetch(FAIL, owners, counts, errors, PARK_AFTER, FIRST_PROBE_SECONDS)
    return [row["organization_id"] for row in rows if row["is_parked_now"]]


async def note_failed_probes(pool: Pool, owners: Sequence[UUID]) -> None:
    """Wait longer for the next probe of these servers."""
    await pool.execute(PROBED, list(owners), FIRST_PROBE_SECONDS, LONGEST_PROBE_SECONDS)


async def succeed(pool: Pool, owners: Sequence[UUID]) -> list[UUID]:
    """Forget the failures of servers that took a message. A parked one resumes, and all its messages
    are due; returns those."""
    rows = await pool.fetch(SUCCEED, list(owners))
    return [row["organization_id"] for row in rows]


async def list_parked(pool: Pool) -> set[UUID]:
    """The organizations whose servers are parked."""
    return {row["organization_id"] for row in await pool.fetch(LIST_PARKED)}


async def find(pool: Pool, organization_id: UUID) -> RelayStatus:
    """How the relay of an organization with a `forward_url` stands."""
    (row,) = await pool.fetch(FIND, organization_id)
    return RelayStatus(
        "delivering" if row["parked_at"] is None else "parked",
        row["waiting"],
        row["oldest_at"],
        row["dropped"],
        row["last_error"],
        row["last_error_at"],
        row["probe_at"],
        row["parked_at"],
    )
