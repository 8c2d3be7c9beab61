"""The relay in the panel: messages with their delivery, the secret that is shown once, buttons."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from service.sandbox.server import SandboxVapi
from tests.support.own_servers import OwnServer, connect, report, start
from tests.support.service import Start, eventually
from tests.support.visiting import visiting


async def test_messages_are_listed_and_delivered_again(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start(start_replica)
    own = OwnServer()
    async with own.running(), visiting(callgate) as ada:
        owner, number_id = await connect(callgate, vapi, own)
        path = f"/organizations/{owner}/relay"
        assert "No messages" in (await ada.get(path)).text
        call = vapi.live_call(number_id)
        for number in range(2):
            await callgate.post(report(call, number))
        await eventually(lambda: asyncio.sleep(0, len(own.taken) == 2))

        async def shown() -> bool:
            return (await ada.get(path)).body.count(">Delivered</span>") == 2

        await eventually(shown)
        page = await ada.get(f"{path}?state=delivered")
        call_id = call["message"]["call"]["id"]
        assert page.text.count("status-update") == 2
        assert f"/admin/calls?vapi_call_id={call_id}" in page.links
        assert "No messages" in (await ada.get(f"{path}?state=failed")).text
        one = re.search(r'name="message" value="(\d+)"', page.body)
        assert one is not None
        again = await ada.post(f"{path}/replay", {"message": one[1]})
        assert "Delivering 1 message again." in again.text
        await eventually(lambda: asyncio.sleep(0, len(own.taken) == 3))
        await eventually(shown)
        since = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        again = await ada.post(f"{path}/replay", {"since": since})
        assert "Delivering 2 messages again." in again.text
        for fields in ({}, {"since": "yesterday"}, {"message": "x"}):
            assert (await ada.post(f"{path}/replay", fields)).status == 422


async def test_a_secret_is_shown_once_and_signs(start_replica: Start, vapi: SandboxVapi) -> None:
    callgate = await start(start_replica)
    own = OwnServer()
    async with own.running(), visiting(callgate) as ada:
        owner, number_id = await connect(callgate, vapi, own)
        path = f"/organizations/{owner}/relay"
        made = await ada.post(f"{path}/secret")
        secret = re.search(r'value="(whsec_[^"]+)"', made.body)
        assert secret is not None
        assert "whsec_" not in (await ada.get(path)).body
        await callgate.post(vapi.live_call(number_id))
        await eventually(lambda: asyncio.sleep(0, own.taken))
        Webhook(secret[1]).verify(own.taken[0].body, own.taken[0].headers)
        assert "resumed the relay" not in (await ada.get(f"/organizations/{owner}/timeline")).text
        assert (await ada.post(f"{path}/resume")).status == 200
        assert "Resumed the relay to Bakery." in (await ada.get("/audit")).text
