"""What was said in a call is kept for its own organization, whatever others claim."""

import asyncio
from uuid import UUID

from service.domain.call_records.details import CallDetails
from service.domain.call_records.transcripts import Transcript
from service.domain.calls import CallEnd
from service.store.calls.call_store import CallStore
from service.store.calls.privacy.forgetting import forget_number
from service.store.calls.privacy.transcripts import (
    KeptTranscript,
    find_transcript,
    keep_transcripts,
)
from service.store.pool import Pool
from tests.support.calls import AT, new_call
from tests.support.service import eventually

NUMBER = "+4915112345678"
BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def add_organization(pool: Pool, name: str) -> UUID:
    found: UUID = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ($1) RETURNING id", name
    )
    return found


def said(text: str, url: str | None = None) -> Transcript:
    return Transcript(text, url, 7)


async def test_a_claim_does_not_take_the_place_of_a_calls_transcript(pool: Pool) -> None:
    calls = CallStore(pool)
    owner, other = await add_organization(pool, "A"), await add_organization(pool, "B")
    await calls.record_calls([new_call("c", organization_id=owner)])
    claim = new_call(
        "c", organization_id=other, ended_at=AT, transcript=said("Forged.", "https://b")
    )
    await calls.record_calls([claim])
    assert await pool.fetchval("SELECT count(*) FROM callgate.call_transcripts") == 0
    end = CallEnd("c", AT, organization_id=owner, transcript=said("Hello?"))
    assert await calls.record_end(end) == "closed"
    await calls.record_calls([claim])
    assert await find_transcript(pool, "c", owner) == KeptTranscript("Hello?", None)
    assert await find_transcript(pool, "c", other) is None


async def test_the_true_owners_transcript_replaces_a_former_ones(pool: Pool) -> None:
    calls = CallStore(pool)
    owner, other = await add_organization(pool, "A"), await add_organization(pool, "B")
    forged = new_call(
        "c", organization_id=other, ended_at=AT, transcript=said("Forged.", "https://b")
    )
    await calls.record_calls([forged])
    assert await find_transcript(pool, "c", other) == KeptTranscript("Forged.", "https://b")
    assert await calls.change_owner(new_call("c", organization_id=owner))
    end = CallEnd("c", AT, organization_id=owner, transcript=said("Hello?"))
    assert await calls.record_end(end) == "closed"
    await calls.record_calls([forged])
    assert await find_transcript(pool, "c", owner) == KeptTranscript("Hello?", None)
    assert await find_transcript(pool, "c", other) is None
    # A second report of the owner brings what the first one lacks.
    later = CallEnd("c", AT, organization_id=owner, transcript=Transcript(None, "https://a", 7))
    await calls.record_end(later)
    assert await find_transcript(pool, "c", owner) == KeptTranscript("Hello?", "https://a")


async def test_a_transcript_that_comes_while_its_caller_is_forgotten_is_not_kept(
    pool: Pool,
) -> None:
    owner = await add_organization(pool, "A")
    told = CallDetails(NUMBER)
    await CallStore(pool).record_calls([new_call("c", organization_id=owner, details=told)])
    end = CallEnd("c", AT, organization_id=owner, transcript=said("This is Ann."))
    async with pool.acquire() as connection, connection.transaction():
        await forget_number(connection, NUMBER)
        keeping = asyncio.create_task(keep_transcripts(pool, [end]))

        async def waits_or_done() -> bool:
            return keeping.done() or bool(await pool.fetchval(BLOCKED))

        await eventually(waits_or_done)
    await keeping
    assert await pool.fetchval("SELECT count(*) FROM callgate.call_transcripts") == 0
