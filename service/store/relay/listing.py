"""The kept messages of an organization, page by page, newest first."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from service.domain.relay.messages import RelayedMessage
from service.store.pool import Pool

MessageState = Literal["waiting", "failed", "delivered"]
"""Failed: an attempt failed and it waits for the next one, or it is not tried any more."""
STATES: tuple[MessageState, ...] = get_args(MessageState)
Place = tuple[datetime, int]
"""When the last message of a page was received, and its id."""

LIST = """
SELECT m.id, m.webhook_id, m.vapi_call_id, m.type, m.size, m.received_at, m.attempts, m.due_at,
    m.outcome, m.done_at, m.last_error
FROM callgate.relay_messages m
WHERE m.organization_id = $1
    AND CASE $2::text
        WHEN 'waiting' THEN m.done_at IS NULL
        WHEN 'failed' THEN m.done_at IS NULL AND m.attempts > 0
            OR m.outcome IN ('expired', 'dropped')
        WHEN 'delivered' THEN m.outcome = 'delivered'
        ELSE true END
    AND ($3::timestamptz IS NULL OR (m.received_at, m.id) < ($3, $4::bigint))
ORDER BY m.received_at DESC, m.id DESC LIMIT $5
"""


async def list_page(
    pool: Pool,
    organization_id: UUID,
    *,
    state: MessageState | None,
    after: Place | None,
    limit: int,
) -> list[RelayedMessage]:
    """Messages after a place; None: from the newest one."""
    place = after or (None, None)
    rows: list[Mapping[str, object]] = await pool.fetch(LIST, organization_id, state, *place, limit)
    return [RelayedMessage(**row) for row in rows]  # type: ignore[arg-type]
