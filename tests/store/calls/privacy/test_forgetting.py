"""A caller's number is removed from all calls, and no later record brings it back."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from service.domain.call_records.details import CallDetails
from service.domain.calls import CallEnd
from service.store.calls.ends import record_end
from service.store.calls.listing import search
from service.store.calls.listing.filters import CallFilter
from service.store.calls.privacy.forgetting import ForgottenCaller, forget_number
from service.store.pool import Pool
from tests.support.calls import AT, new_call, record

NUMBER = "+4915112345678"
TRANSCRIPT = """
INSERT INTO callgate.call_transcripts (vapi_call_id, organization_id, transcript, expires_at)
VALUES ($1, $2, 'Hello?', now() + interval '1 day')
"""


RELAYED = """
INSERT INTO callgate.relay_messages (organization_id, webhook_id, vapi_call_id, type, content_type,
    body, size, received_at, due_at)
VALUES ($2, 'msg_' || $1, $1, 'hang', 'application/json', '{}', 2, now(), now())
"""


async def forget(pool: Pool, number: str) -> ForgottenCaller:
    async with pool.acquire() as connection, connection.transaction():
        return await forget_number(connection, number)


async def test_a_forgotten_number_is_in_no_call_and_the_figures_stay(pool: Pool) -> None:
    owner: UUID = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ('A') RETURNING id"
    )
    told = CallDetails(NUMBER, "+4930123456", "assistant-1", connected=True)
    ended = {"ended_at": AT, "duration_seconds": 9.0, "cost": Decimal("0.1"), "end_proved": True}
    await record(
        pool,
        new_call("a", organization_id=owner, details=told, **ended),  # type: ignore[arg-type]
        new_call("b", organization_id=owner, details=told),
        new_call("c", details=replace(told, customer_number="+4915112345679")),
    )
    await pool.execute(TRANSCRIPT, "a", owner)
    for call_id in ("b", "c"):
        await pool.execute(RELAYED, call_id, owner)
    assert await forget(pool, NUMBER) == ForgottenCaller(2, 1, 1)
    assert await pool.fetchval("SELECT vapi_call_id FROM callgate.relay_messages") == "c"
    assert await forget(pool, NUMBER) == ForgottenCaller(0, 0, 0)
    # A report that waited in a spool, and a copy of the first message.
    end = CallEnd("b", AT + timedelta(seconds=5), organization_id=owner, details=told)
    await record_end(pool, end)
    await record(pool, new_call("b", organization_id=owner, details=told))
    found = (await search.find_page(pool, CallFilter(), limit=9)).calls
    assert {call.vapi_call_id: call.caller_number for call in found} == {
        "a": None,
        "b": None,
        "c": "+4915112345679",
    }
    (first,) = (one for one in found if one.vapi_call_id == "a")
    assert (first.duration_seconds, first.cost) == (9.0, Decimal("0.1"))
    assert first.called_number == "+4930123456"
    assert await pool.fetchval("SELECT count(*) FROM callgate.call_transcripts") == 0
    assert not (
        await search.find_page(pool, CallFilter(), search="12345678", whole=True, limit=9)
    ).calls
