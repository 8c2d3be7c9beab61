"""What Vapi's lists lacked when they were last read: by the last sweep, and by the call watch."""

from dataclasses import dataclass

from service.store.pool import Pool

FAULTS = """
SELECT coalesce(w.figures ->> 'incomplete', '') AS numbers_gap, coalesce(c.gap, '') AS calls_gap,
    coalesce((w.figures ->> 'malformed')::int, 0) + c.malformed AS malformed
FROM callgate.call_watch c
LEFT JOIN LATERAL (
    SELECT figures FROM callgate.sweeps
    WHERE outcome IN ('done', 'incomplete', 'held') AND NOT dry_run
    ORDER BY id DESC LIMIT 1) w ON true
"""


@dataclass(frozen=True, slots=True)
class ListFaults:
    """`gap` says why a list is incomplete, "" if none is; `malformed` elements could not be read."""

    gap: str
    malformed: int


async def find_list_faults(pool: Pool) -> ListFaults:
    """The faults of the lists as they were last read."""
    row = await pool.fetchrow(FAULTS)
    if row is None:
        return ListFaults("", 0)
    gap = f"{row['numbers_gap']} {row['calls_gap']}".strip()
    return ListFaults(gap, row["malformed"])
