"""The relay by the API: its state, its secrets, resuming and replaying."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.own_servers import OwnServer, connect, report, start
from tests.support.service import Replica, Start, eventually


async def test_an_organization_without_a_server_is_off(callgate: Replica) -> None:
    owner = await callgate.add_organization()
    status = await callgate.api("GET", f"/organizations/{owner}/relay")
    assert status.json == {
        "state": "off",
        "waiting": 0,
        "oldest_at": None,
        "dropped": 0,
        "last_error": None,
    }
    for method, path in (("GET", ""), ("PUT", "/secret"), ("POST", "/resume")):
        unknown = f"/organizations/00000000-0000-4000-8000-000000000000/relay{path}"
        assert (await callgate.api(method, unknown)).json["code"] == "organization_not_found"


async def test_a_new_secret_is_shown_once_and_signs_beside_the_former_one(
    start_replica: Start, vapi: SandboxVapi, pool: Pool
) -> None:
    callgate = await start(start_replica)
    own = OwnServer()
    async with own.running():
        owner, number_id = await connect(callgate, vapi, own)
        path = f"/organizations/{owner}/relay/secret"
        first, second = [(await callgate.api("PUT", path)).json["secret"] for _ in range(2)]
        call = vapi.live_call(number_id)

        async def send(number: int) -> tuple[bytes, dict[str, str]]:
            await callgate.post(report(call, number))
            await eventually(lambda: asyncio.sleep(0, number in own.numbers_of(own.taken[-1].call)))
            return own.taken[-1].body, own.taken[-1].headers

        await callgate.post(report(call, 0))
        await eventually(lambda: asyncio.sleep(0, own.taken))
        body, headers = own.taken[-1].body, own.taken[-1].headers
        for secret in (first, second):
            Webhook(secret).verify(body, headers)
        assert len(headers["webhook-signature"].split(" ")) == 2
        await pool.execute(
            "UPDATE callgate.organizations SET relay_secret_before_until = now() WHERE id = $1",
            UUID(owner),
        )
        await asyncio.sleep(0.5)
        body, headers = await send(1)
        Webhook(second).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(first).verify(body, headers)
        (stored,) = await pool.fetch(
            "SELECT relay_secret, relay_secret_before FROM callgate.organizations"
        )
        assert all(value.startswith("sealed.v1.") for value in stored)
        shown = [
            await callgate.api("GET", f"/organizations/{owner}"),
            await callgate.api("GET", f"/organizations/{owner}/history"),
            await callgate.api("GET", "/audit"),
        ]
        for text in (str(one.json) for one in shown):
            assert "whsec_" not in text
            assert "sealed" not in text
        actions = [entry["action"] for entry in shown[-1].json["items"]]
        assert actions.count("relay.secret_created") == 2


async def test_each_secret_of_the_last_day_signs(
    start_replica: Start, vapi: SandboxVapi, pool: Pool
) -> None:
    callgate = await start(start_replica)
    own = OwnServer()
    async with own.running():
        owner, number_id = await connect(callgate, vapi, own)
        call = vapi.live_call(number_id)

        async def create() -> str:
            answer = await callgate.api("PUT", f"/organizations/{owner}/relay/secret")
            return str(answer.json["secret"])

        async def check(number: int, secrets: list[str]) -> None:
            """A message is signed with these secrets and no other one."""
            await callgate.post(report(call, number))
            await eventually(lambda: asyncio.sleep(0, len(own.taken) > number))
            body, headers = own.taken[-1].body, own.taken[-1].headers
            for secret in secrets:
                Webhook(secret).verify(body, headers)
            assert len(headers["webhook-signature"].split(" ")) == len(secrets)

        made = [await create() for _ in range(3)]
        await check(0, made)
        made += [await create() for _ in range(2)]
        await check(1, made[-4:])
        await pool.execute("UPDATE callgate.organizations SET relay_secret_before_until = now()")
        made.append(await create())
        await check(2, made[-2:])


async def test_messages_are_delivered_again_with_their_former_names(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start(start_replica)
    own = OwnServer()
    async with own.running():
        owner, number_id = await connect(callgate, vapi, own)
        path = f"/organizations/{owner}/relay/replay"
        call = vapi.live_call(number_id)
        began = datetime.now(UTC) - timedelta(minutes=1)
        for number in range(3):
            await callgate.post(report(call, number))
        await eventually(lambda: asyncio.sleep(0, len(own.taken) == 3))

        async def replayed() -> bool:
            answer = await callgate.api("POST", path, {"since": began.isoformat()})
            return bool(answer.json == {"messages": 3})

        await eventually(replayed)
        await eventually(lambda: asyncio.sleep(0, len(own.taken) == 6))
        names = [one.webhook_id for one in own.taken]
        assert names[:3] == names[3:]
        nothing = {"since": began.isoformat(), "until": began.isoformat()}
        assert (await callgate.api("POST", path, nothing)).json == {"messages": 0}
        before = {"since": began.isoformat(), "until": (began - timedelta(seconds=1)).isoformat()}
        refused = await callgate.api("POST", path, before)
        assert (refused.status, refused.json["code"]) == (422, "bad_period")
        assert refused.json["field"] == "until"
        audit = (await callgate.api("GET", "/audit")).json["items"]
        replays = [one["after"] for one in audit if one["action"] == "relay.replayed"]
        assert replays
        assert all(one["until"] in (None, one["since"]) for one in replays)
        for body in ({}, {"since": "yesterday"}, {"since": began.isoformat(), "all": True}):
            assert (await callgate.api("POST", path, body)).status == 422


async def test_a_parked_server_is_resumed_by_hand(
    start_replica: Start, vapi: SandboxVapi, pool: Pool
) -> None:
    callgate = await start(start_replica)
    own = OwnServer(answer=lambda _received: 500)
    async with own.running():
        owner, number_id = await connect(callgate, vapi, own)
        await callgate.post(vapi.live_call(number_id))
        await eventually(lambda: asyncio.sleep(0, own.received))
        await asyncio.sleep(0.5)
        await pool.execute(
            "UPDATE callgate.relay_states SET parked_at = now(), probe_at = now() + interval '1 h'"
        )
        path = f"/organizations/{owner}/relay"
        assert (await callgate.api("GET", path)).json["state"] == "parked"
        await asyncio.sleep(1.5)
        own.answer = lambda _received: 200
        assert (await callgate.api("POST", f"{path}/resume")).json["state"] == "delivering"
        await eventually(lambda: asyncio.sleep(0, own.taken))


@pytest.mark.parametrize("role", ["viewer", "support"])
async def test_roles(callgate: Replica, role: str) -> None:
    owner = await callgate.add_organization()
    made = await callgate.api("POST", "/tokens", {"name": "other", "role": role})
    token = made.json["token"]
    path = f"/organizations/{owner}/relay"
    assert (await callgate.api("GET", path, token=token)).status == 200
    assert (await callgate.api("PUT", f"{path}/secret", token=token)).status == 403
    resumed = await callgate.api("POST", f"{path}/resume", token=token)
    assert resumed.status == (200 if role == "support" else 403)
    body = {"since": datetime.now(UTC).isoformat()}
    replayed = await callgate.api("POST", f"{path}/replay", body, token=token)
    assert replayed.status == (200 if role == "support" else 403)


async def test_our_own_address_is_refused(callgate: Replica) -> None:
    settings = callgate.service.settings
    for url in (settings.webhook_url, f"http://localhost:{settings.callgate_port}/hook"):
        body = {"name": "Loop", "forward_url": url}
        answer = await callgate.api("POST", "/organizations", body)
        assert (answer.status, answer.json["code"]) == (422, "invalid_forward_url")
        assert "Callgate itself" in answer.json["detail"]
