"""Lasting messages are kept before they are acknowledged, and delivered in the order of their call."""

import asyncio

from standardwebhooks import Webhook

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.own_servers import OwnServer, Received, connect, report, shorten_pauses, start
from tests.support.service import Start, eventually

ROWS = "SELECT count(*) FROM callgate.relay_messages WHERE done_at IS NULL"


async def waiting(pool: Pool) -> int:
    return int(await pool.fetchval(ROWS))


async def until_taken(own: OwnServer, count: int, seconds: float = 10.0) -> None:
    await eventually(lambda: asyncio.sleep(0, len(own.taken) >= count), seconds)


async def test_a_message_is_signed_and_delivered_once(
    start_replica: Start, vapi: SandboxVapi, pool: Pool
) -> None:
    callgate = await start(start_replica)
    async with OwnServer().running() as own:
        owner, number_id = await connect(callgate, vapi, own)
        message = vapi.live_call(number_id)
        for _ in range(3):
            assert (await callgate.post(message)).json == {}
        await until_taken(own, 1)

        async def all_done() -> bool:
            return await waiting(pool) == 0

        await eventually(all_done)
        assert len(own.received) == 1
        secret = await callgate.api("PUT", f"/organizations/{owner}/relay/secret")
        assert secret.json["secret"].startswith("whsec_")
        second = report(message, 2)
        assert (await callgate.post(second)).json == {}
        await until_taken(own, 2)
        last = own.taken[-1]
        Webhook(secret.json["secret"]).verify(last.body, last.headers)
        assert last.webhook_id != own.taken[0].webhook_id
        assert last.message["number"] == 2


async def test_each_call_keeps_its_order_and_calls_go_on_beside_a_failing_one(
    start_replica: Start, vapi: SandboxVapi, pool: Pool
) -> None:
    callgate = await start(start_replica)
    own = OwnServer()
    async with own.running():
        _, number_id = await connect(callgate, vapi, own)
        bad, good = vapi.live_call(number_id), vapi.live_call(number_id)
        bad_id = bad["message"]["call"]["id"]
        failures = 1

        def answer(received: Received) -> int:
            nonlocal failures
            if received.call == bad_id and failures:
                failures -= 1
                return 500
            return 200

        own.answer = answer
        for number in range(5):
            for call in (bad, good):
                assert (await callgate.post(report(call, number))).status == 200
        await until_taken(own, 5)
        assert own.numbers_of(good["message"]["call"]["id"]) == [0, 1, 2, 3, 4]
        assert own.numbers_of(bad_id) == []
        error = await pool.fetchval(
            "SELECT last_error FROM callgate.relay_messages WHERE attempts = 1 AND done_at IS NULL"
        )
        assert error == "It answered with status 500."
        await until_taken(own, 10, 15)
        assert own.numbers_of(bad_id) == [0, 1, 2, 3, 4]
        first = [one.webhook_id for one in own.received if one.call == bad_id][:2]
        assert first[0] == first[1]


async def test_the_order_of_a_call_holds_over_two_replicas(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    one, other = await start(start_replica), await start(start_replica)
    own = OwnServer()
    async with own.running():
        _, number_id = await connect(one, vapi, own)
        await asyncio.sleep(0.5)
        calls = [vapi.live_call(number_id) for _ in range(5)]

        async def slowly(_received: Received) -> int:
            await asyncio.sleep(0.05)
            return 200

        own.answer = slowly
        for number in range(6):
            for call in calls:
                replica = one if number % 2 else other
                assert (await replica.post(report(call, number))).status == 200
        await until_taken(own, 30, 20)
        for call in calls:
            assert own.numbers_of(call["message"]["call"]["id"]) == list(range(6))
        assert len(own.received) == 30


async def test_a_server_that_keeps_failing_is_parked_and_resumes_by_itself(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start(start_replica)
    shorten_pauses(callgate)
    own = OwnServer(answer=lambda _received: 503)
    async with own.running():
        owner, number_id = await connect(callgate, vapi, own)
        for _ in range(15):
            await callgate.post(vapi.live_call(number_id))

        async def is_parked() -> bool:
            status = await callgate.api("GET", f"/organizations/{owner}/relay")
            return bool(status.json["state"] == "parked")

        await eventually(is_parked, 60)
        await asyncio.sleep(0.5)
        tried = len(own.received)
        status = (await callgate.api("GET", f"/organizations/{owner}/relay")).json
        assert status["waiting"] == 15
        assert status["last_error"] == "It answered with status 503."
        conditions = await callgate.service.use_cases.conditions.read()
        assert "relay_parked" in {one.kind for one in conditions}
        await asyncio.sleep(2)
        assert len(own.received) == tried
        own.answer = lambda _received: 200
        await until_taken(own, 15, 15)

        async def delivers() -> bool:
            status = await callgate.api("GET", f"/organizations/{owner}/relay")
            return bool(
                status.json
                == {
                    "state": "delivering",
                    "waiting": 0,
                    "oldest_at": None,
                    "dropped": 0,
                    "last_error": "It answered with status 503.",
                }
            )

        await eventually(delivers)
