"""Removing a caller's number from all calls, with all that was said in them. Figures stay.

A number that is forgotten becomes an empty text, which no later record of the call replaces: of two
numbers the smaller text stays. So a report that waits in a spool brings nothing back.
"""

from dataclasses import dataclass

from service.store.pool import Connection

BITE = 500

FORGET = """
UPDATE callgate.calls SET customer_number = '', updated_at = now() WHERE id IN (
    SELECT id FROM callgate.calls
    WHERE right(customer_number, 4) = right($1, 4) AND customer_number = $1
    ORDER BY id LIMIT $2 FOR UPDATE)
RETURNING vapi_call_id
"""

DELETE_TRANSCRIPTS = "DELETE FROM callgate.call_transcripts WHERE vapi_call_id = ANY($1::text[])"

DELETE_RELAYED = "DELETE FROM callgate.relay_messages WHERE vapi_call_id = ANY($1::text[])"


@dataclass(frozen=True, slots=True)
class ForgottenCaller:
    """What was removed: the number from `calls`, transcripts, and messages kept for clients' servers."""

    calls: int = 0
    transcripts: int = 0
    messages: int = 0


async def forget_number(connection: Connection, number: str) -> ForgottenCaller:
    """Remove a number in the canonical form, within the transaction of `connection`."""
    calls = transcripts = messages = 0
    while True:
        rows = await connection.fetch(FORGET, number, BITE)
        ids = [row["vapi_call_id"] for row in rows]
        if ids:
            calls += len(ids)
            transcripts += deleted(await connection.execute(DELETE_TRANSCRIPTS, ids))
            messages += deleted(await connection.execute(DELETE_RELAYED, ids))
        if len(ids) < BITE:
            return ForgottenCaller(calls, transcripts, messages)


def deleted(status: str) -> int:
    """The number of rows in the status of a statement."""
    return int(status.rpartition(" ")[2])
