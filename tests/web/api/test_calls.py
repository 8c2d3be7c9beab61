"""Calls over the API."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from policies.contract import Effect
from service.domain.call_records.details import CallDetails
from service.domain.calls import CallEnd, HangupState, NewCall
from service.domain.decisions import Decision, TraceEntry
from service.store.calls.ends import record_end
from service.store.calls.hangups import RoundResult, record_hangup
from service.store.calls.records import record_calls
from tests.support.api import ApiClient

STARTED = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)
CONTROL_URL = "https://call.vapi.ai/secret/control"


def new_call(call_id: str, organization_id: str | None, *, allowed: bool) -> NewCall:
    effect = Effect.ALLOW if allowed else Effect.DENY
    return NewCall(
        vapi_call_id=call_id,
        organization_id=UUID(organization_id) if organization_id else None,
        phone_number_id=uuid4(),
        vapi_phone_number_id="pn",
        type="inboundPhoneCall",
        gate="event",
        decision=Decision(
            id=uuid4(),
            effect=effect,
            reason="plan_active" if allowed else "trial_expired",
            determined_by="plan" if allowed else "trial",
            basis="fresh",
            trace=(TraceEntry("plan", effect.value, "x", None, 0.25),),
            decided_at=STARTED,
        ),
        started_at=STARTED,
        control_url=CONTROL_URL,
        hangup_after_seconds=None if allowed else 0.0,
        details=CallDetails("+4915112345678", "+4930123456", "assistant-1"),
    )


NO_TERMS = {"message": None, "divert_to": None, "max_duration_seconds": None}


async def record(api: ApiClient, *calls: NewCall) -> None:
    async with api.service.pool.acquire() as connection:
        await record_calls(connection, list(calls))


HUNG_UP = CallEnd(
    "call-1",
    STARTED + timedelta(seconds=9),
    "hung-up",
    9.5,
    Decimal("0.0394"),
    proof="vapi",
    cost_parts={"llm": 0.03, "vapi": 0.0094},
    details=CallDetails(connected=True, doubts=("started_at",)),
)


async def test_a_blocked_call_is_told_in_full_without_its_control_url(api: ApiClient) -> None:
    call = new_call("call-1", str(uuid4()), allowed=False)
    await record(api, call)
    await record_hangup(api.service.pool, "call-1", RoundResult(HangupState.CONFIRMED, 2))
    await record_end(api.service.pool, HUNG_UP)
    reply = await api.ask("GET", "/calls?vapi_call_id=call-1")
    assert CONTROL_URL.encode() not in reply.body
    assert reply.json["next_cursor"] is None
    (found,) = reply.json["items"]
    assert await api.get(f"/calls/{found['id']}") == found
    del found["id"]
    assert found == {
        "vapi_call_id": "call-1",
        "organization_id": str(call.organization_id),
        "phone_number_id": str(call.phone_number_id),
        "type": "inboundPhoneCall",
        "direction": "inbound",
        "caller_number": "+4915112345678",
        "called_number": "+4930123456",
        "assistant_id": "assistant-1",
        "status": "failed",
        "blocked": True,
        "diverted": False,
        "reason": "trial_expired",
        "gate": "event",
        "hangup": {"state": "confirmed", "attempts": 2},
        "decision": {
            "id": str(call.decision.id),
            "effect": "deny",
            "determined_by": "trial",
            "reason": "trial_expired",
            "basis": "fresh",
            "trace": [
                {
                    "policy": "plan",
                    "effect": "deny",
                    "reason": "x",
                    "counted_as": None,
                    "note": None,
                    "warning": None,
                    **NO_TERMS,
                    "limits": [],
                    "duration_ms": 0.25,
                    "mode": "enforce",
                }
            ],
            **NO_TERMS,
        },
        "started_at": "2026-11-01T12:00:00.123456Z",
        "ended_at": "2026-11-01T12:00:09.123456Z",
        "ended_reason": "hung-up",
        "duration_seconds": 9.5,
        "cost": 0.0394,
        "cost_parts": {"llm": 0.03, "vapi": 0.0094},
        "connected": True,
        "doubts": ["started_at"],
        "lived_seconds": found["lived_seconds"],
        "cut_at": None,
        "cut_reason": None,
        "missed": False,
        "relay": None,
    }


async def test_a_call_that_goes_on_has_no_hangup_and_no_end(api: ApiClient) -> None:
    await record(api, new_call("call-1", str(uuid4()), allowed=True))
    (found,) = (await api.get("/calls"))["items"]
    assert (found["status"], found["blocked"], found["hangup"]) == ("in-progress", False, None)
    assert found["ended_at"] is found["ended_reason"] is found["duration_seconds"] is None


async def test_calls_are_filtered_newest_first_and_paged(api: ApiClient) -> None:
    one, two = str(uuid4()), str(uuid4())
    expected: list[tuple[str, str, bool]] = []
    for number in range(12):
        organization = one if number % 3 else two
        allowed = bool(number % 2)
        await record(api, new_call(f"call-{number}", organization, allowed=allowed))
        expected.insert(0, (f"call-{number}", organization, not allowed))

    async def seen(query: str) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            page = await api.get(f"/calls?limit=2{query}{cursor}")
            found += [item["vapi_call_id"] for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    assert await seen("") == [call for call, _, _ in expected]
    for blocked in (True, False):
        word = str(blocked).lower()
        assert await seen(f"&blocked={word}") == [c for c, _, b in expected if b is blocked]
        assert await seen(f"&blocked={word}&organization_id={one}") == [
            c for c, o, b in expected if b is blocked and o == one
        ]
    assert await seen(f"&organization_id={two}") == [c for c, o, _ in expected if o == two]
    assert await seen(f"&vapi_call_id=call-0&organization_id={two}&blocked=true") == ["call-0"]
    assert await seen(f"&vapi_call_id=call-0&organization_id={one}") == []
    assert await seen("&vapi_call_id=call-0&blocked=false") == []
    assert await seen("&vapi_call_id=nobody") == []


async def test_calls_of_one_batch_are_all_listed_once(api: ApiClient) -> None:
    """They share the instant of their transaction."""
    ids = {f"call-{number}" for number in range(9)}
    await record(api, *(new_call(call_id, None, allowed=False) for call_id in sorted(ids)))
    seen: list[str] = []
    cursor = ""
    while True:
        page = await api.get(f"/calls?limit=4{cursor}")
        seen += [item["vapi_call_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == 9
    assert set(seen) == ids
