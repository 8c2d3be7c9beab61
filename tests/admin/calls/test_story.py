"""The steps of a call, in order, and never with a secret or a control URL."""

from typing import Any

from service.sandbox.server import SandboxVapi
from service.store.calls import event_writer
from tests.support.service import Replica, eventually


async def test_a_blocked_calls_story_is_told_from_its_first_message_to_its_end(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization("Bakery")
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number)
    message: Any = vapi.live_call(number)
    call_id = message["message"]["call"]["id"]
    assert (await callgate.post(message)).status == 403

    async def told() -> list[Any] | None:
        row = await callgate.call(call_id)
        answer = await callgate.api("GET", f"/calls/{row['id']}/events")
        kinds = [item["kind"] for item in answer.json["items"]]
        return answer.json["items"] if "hangup.confirmed" in kinds else None

    steps = await eventually(told)
    kinds = [step["kind"] for step in steps]
    assert {"message", "decided", "hangup.sent", "hangup.looked", "hangup.confirmed"} <= set(kinds)
    assert kinds[:2] == ["message", "decided"]
    first = steps[0]
    assert (first["detail"]["first"], first["detail"]["reply"]) == (True, 403)
    text = str(steps)
    for secret in (
        message["message"]["call"]["monitor"]["controlUrl"],
        (message["message"]["call"].get("customer") or {}).get("number") or "+1999",
    ):
        assert secret not in text


async def test_steps_that_postgresql_does_not_take_wait_and_are_bounded(
    callgate: Replica,
) -> None:
    writer = callgate.service.access.events
    for number in range(event_writer.LIMIT + 5):
        writer.record(f"call-{number}", "hangup.sent", {"attempt": 1})
    assert writer.dropped == 5

    async def written() -> bool:
        return not writer.waiting

    await eventually(written)
    count = await callgate.service.pool.fetchval("SELECT count(*) FROM callgate.call_events")
    assert count == event_writer.LIMIT
