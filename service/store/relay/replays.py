"""Messages that are delivered again: after a pause, or because an admin wants them again."""

from datetime import datetime
from uuid import UUID

from service.store.pool import Connection

RESUME = """
UPDATE callgate.relay_states SET failures = 0, parked_at = NULL, probe_at = NULL, probes = 0
WHERE organization_id = $1
"""

MAKE_DUE = """
UPDATE callgate.relay_messages SET due_at = now()
WHERE organization_id = $1 AND done_at IS NULL AND due_at > now()
"""

# What was dropped has no body any more; what waits is delivered anyway.
REPLAY = """
UPDATE callgate.relay_messages
SET done_at = NULL, outcome = NULL, claimed_by = NULL, attempts = 0, due_at = now()
WHERE organization_id = $1 AND received_at >= $2 AND ($3::timestamptz IS NULL OR received_at < $3)
    AND received_at > now() - interval '3 days' AND done_at IS NOT NULL AND outcome <> 'dropped'
"""

REPLAY_ONE = """
UPDATE callgate.relay_messages
SET done_at = NULL, outcome = NULL, claimed_by = NULL, attempts = 0, due_at = now()
WHERE organization_id = $1 AND id = $2 AND done_at IS NOT NULL AND outcome <> 'dropped'
    AND received_at > now() - interval '3 days'
"""


async def resume(connection: Connection, organization_id: UUID) -> None:
    """Forget the failures of a server, and try all its messages now."""
    await connection.execute(RESUME, organization_id)
    await connection.execute(MAKE_DUE, organization_id)


async def replay(
    connection: Connection, organization_id: UUID, since: datetime, until: datetime | None
) -> int:
    """Let messages that are done be delivered again; how many."""
    status = await connection.execute(REPLAY, organization_id, since, until)
    return int(status.rpartition(" ")[2])


async def replay_one(connection: Connection, organization_id: UUID, message_id: int) -> bool:
    """Let one message be delivered again; False if it waits, was dropped or is gone."""
    return bool(await connection.execute(REPLAY_ONE, organization_id, message_id) != "UPDATE 0")
