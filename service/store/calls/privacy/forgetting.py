"""Removing a caller from the records on request; the calls and their figures stay.

The number of a call becomes the empty text, which wins each merge with a record that comes later: a
repeated report does not bring it back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.domain.relay.messages import CallLine
from service.store.pool import Connection

LOCK_CALLS = """
SELECT vapi_call_id FROM callgate.calls
WHERE right(customer_number, 4) = right($1, 4) AND customer_number = $1
ORDER BY vapi_call_id FOR UPDATE
"""

FORGET_NUMBER = """
UPDATE callgate.calls SET customer_number = $2, updated_at = now() WHERE vapi_call_id = ANY($1::text[])
"""

# The notes of a policy may name the caller. A telling number needs no escape inside of JSON.
FORGET_IN_DECISIONS = (
    """
    UPDATE callgate.calls SET decision = replace(decision::text, $2, $3)::jsonb
    WHERE vapi_call_id = ANY($1::text[]) AND position($2 IN decision::text) > 0
    """,
    """
    UPDATE callgate.call_claims SET decision = replace(decision::text, $2, $3)::jsonb
    WHERE vapi_call_id = ANY($1::text[]) AND position($2 IN decision::text) > 0
    """,
)
FORGET_IN_STEPS = """
UPDATE callgate.call_events SET detail = replace(detail::text, $2, $3)::jsonb
WHERE vapi_call_id = ANY($1::text[]) AND position($2 IN detail::text) > 0
"""

DELETE_TRANSCRIPTS = "DELETE FROM callgate.call_transcripts WHERE vapi_call_id = ANY($1::text[])"

DELETE_RELAYED = """
DELETE FROM callgate.relay_messages WHERE vapi_call_id = ANY($1::text[])
    AND organization_id = ANY(SELECT organization_id FROM callgate.calls
        WHERE vapi_call_id = ANY($1::text[]))
"""

COUNT = """
SELECT count(*) FROM callgate.calls
WHERE right(customer_number, 4) = right($1, 4) AND customer_number = $1
"""
COUNT_TRANSCRIPTS = """
SELECT count(*) FROM callgate.call_transcripts t JOIN callgate.calls c USING (vapi_call_id)
WHERE right(c.customer_number, 4) = right($1, 4) AND c.customer_number = $1
"""
COUNT_RELAYED = """
SELECT count(*) FROM callgate.relay_messages m JOIN callgate.calls c
    ON c.vapi_call_id = m.vapi_call_id AND c.organization_id = m.organization_id
WHERE right(c.customer_number, 4) = right($1, 4) AND c.customer_number = $1
"""

# Forgetting a caller takes turns with those who ask whether one was forgotten.
LOCK_ASKED = """
SELECT vapi_call_id, organization_id, customer_number FROM callgate.calls
WHERE vapi_call_id = ANY($1::text[]) ORDER BY vapi_call_id FOR KEY SHARE
"""

FORGOTTEN = ""
REPLACEMENT = "(forgotten)"


@dataclass(frozen=True, slots=True)
class ForgottenCaller:
    """How many records name a caller: their calls, transcripts of these, messages of these that are kept
    for a client's server, and records that PostgreSQL rejected, on this machine's disk.

    `waiting` are records and messages on this machine's disk that PostgreSQL is about to take.
    """

    calls: int = 0
    transcripts: int = 0
    messages: int = 0
    rejected: int = 0
    waiting: int = 0


async def count_number(connection: Connection, number: str) -> ForgottenCaller:
    """Count what the tables have of a caller."""
    return ForgottenCaller(
        await connection.fetchval(COUNT, number),
        await connection.fetchval(COUNT_TRANSCRIPTS, number),
        await connection.fetchval(COUNT_RELAYED, number),
    )


async def forget_number(connection: Connection, number: str) -> ForgottenCaller:
    """Remove a caller from the tables, by a telling number, in an open transaction; what was removed."""
    calls = [row["vapi_call_id"] for row in await connection.fetch(LOCK_CALLS, number)]
    for statement in (*FORGET_IN_DECISIONS, FORGET_IN_STEPS):
        await connection.execute(statement, calls, number, REPLACEMENT)
    words = await delete(connection, DELETE_TRANSCRIPTS, calls)
    relayed = await delete(connection, DELETE_RELAYED, calls)
    await connection.execute(FORGET_NUMBER, calls, FORGOTTEN)
    return ForgottenCaller(len(calls), words, relayed)


async def delete(connection: Connection, statement: str, calls: Sequence[str]) -> int:
    """How many rows of these calls were deleted."""
    return int((await connection.execute(statement, list(calls))).rpartition(" ")[2])


async def find_forgotten(connection: Connection, calls: Iterable[str]) -> set[CallLine]:
    """Those of these calls whose caller was forgotten, each with its organization. Until the caller's
    transaction ends, no caller of the others is."""
    rows = await connection.fetch(LOCK_ASKED, sorted(set(calls)))
    return {
        (row["organization_id"], row["vapi_call_id"])
        for row in rows
        if row["customer_number"] == FORGOTTEN
    }
