"""Changes of `callgate.calls` since an instant, by `updated_at`, which every UPDATE sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.calls import Call
from service.store.calls.listing.rows import COLUMNS, CallNames, call_of, find_names
from service.store.pool import Pool

# Newest first, so that the limit drops the oldest; answered from the index alone.
CHANGED = """
SELECT id, updated_at FROM callgate.calls WHERE updated_at > $1
ORDER BY updated_at DESC, id DESC LIMIT $2
"""

OF_IDS = COLUMNS + "WHERE id = ANY($1::uuid[])"


@dataclass(frozen=True, slots=True)
class CallChange:
    """A new or changed call. `updated_at` is when the transaction of the change began."""

    id: UUID
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CallSummary:
    """A call as lists show it."""

    call: Call
    names: CallNames


async def list_changes(pool: Pool, since: datetime, limit: int) -> list[CallChange]:
    """The newest `limit` changes after an instant, oldest first."""
    rows = await pool.fetch(CHANGED, since, limit)
    return [CallChange(row["id"], row["updated_at"]) for row in reversed(rows)]


async def find_summaries(pool: Pool, ids: Sequence[UUID]) -> dict[UUID, CallSummary]:
    """Calls by their ids."""
    names = await find_names(pool, ids)
    rows = await pool.fetch(OF_IDS, list(ids))
    return {row["id"]: CallSummary(call_of(row), names.get(row["id"], CallNames())) for row in rows}
