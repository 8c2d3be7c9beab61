"""Where a message goes, and how often it is tried."""

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from service.sandbox.credentials import BearerCredential, HmacCredential
from service.sandbox.delivery import retry_delays
from service.sandbox.server import SandboxVapi
from tests.support.vapi import Webhook

OpenWebhook = Callable[[], Awaitable[Webhook]]


async def test_each_event_goes_to_exactly_one_url_by_precedence(
    vapi: SandboxVapi, open_webhook: OpenWebhook
) -> None:
    org, line, own = [await open_webhook() for _ in range(3)]
    vapi.switchboard.org_server = {"url": org.url}
    plain, shadowing = vapi.add_assistant(), vapi.add_assistant(server={"url": own.url})
    number = vapi.add_number(server={"url": line.url})
    bare = vapi.add_number()

    for number_id, assistant, receiver in (
        (bare["id"], plain, org),
        (number["id"], plain, line),
        (number["id"], shadowing, own),
    ):
        vapi.edit_number(number_id, assistantId=assistant["id"])
        call = vapi.place_call(number_id, duration=2)
        await call.settled()
        assert {delivery.url for delivery in call.deliveries} == {receiver.url}
        assert {message["call"]["id"] for message in receiver.messages} == {call.id}


async def test_it_is_no_fallback_chain(
    vapi: SandboxVapi, open_webhook: OpenWebhook, unused_tcp_port: int
) -> None:
    line = await open_webhook()
    dead = {"url": f"http://127.0.0.1:{unused_tcp_port}/"}
    assistant = vapi.add_assistant(server=dead)
    number = vapi.add_number(assistantId=assistant["id"], server={"url": line.url})
    call = vapi.place_call(number["id"], duration=2)
    await call.settled()
    assert line.messages == []
    assert all(delivery.http_status is None for delivery in call.deliveries)
    assert call.ended_reason == "customer-ended-call"


async def test_squads_and_workflows_shadow_too(
    vapi: SandboxVapi, open_webhook: OpenWebhook
) -> None:
    line, own = await open_webhook(), await open_webhook()
    assistant = vapi.add_assistant(server={"url": own.url})
    squad = vapi.add_squad(members=[{"assistantId": assistant["id"]}])
    workflow = vapi.add_workflow(server={"url": own.url})
    for attached in ({"squadId": squad["id"]}, {"workflowId": workflow["id"]}):
        number = vapi.add_number(server={"url": line.url}, **attached)
        await vapi.place_call(number["id"], duration=1).settled()
    assert line.messages == []
    assert len({message["call"]["id"] for message in own.messages}) == 2


@pytest.mark.parametrize("level", ["membersOverrides", "assistantOverrides", "assistant"])
async def test_what_a_squad_overrides_goes_before_its_members(
    vapi: SandboxVapi, open_webhook: OpenWebhook, level: str
) -> None:
    hooks = {name: await open_webhook() for name in ("assistant", "assistantOverrides")}
    hooks["membersOverrides"] = await open_webhook()
    blocks = {name: {"server": {"url": webhook.url}} for name, webhook in hooks.items()}
    assistant = vapi.add_assistant(**blocks["assistant"])
    member, squad = {"assistantId": assistant["id"]}, {}
    if level != "assistant":
        member["assistantOverrides"] = blocks["assistantOverrides"]
    if level == "membersOverrides":
        squad[level] = blocks[level]
    made = vapi.add_squad(members=[member], **squad)
    await vapi.place_call(vapi.add_number(squadId=made["id"])["id"], duration=1).settled()
    assert [name for name, webhook in hooks.items() if webhook.messages] == [level]


async def test_the_legacy_url_and_its_secret_still_work(
    vapi: SandboxVapi, open_webhook: OpenWebhook
) -> None:
    webhook = await open_webhook()
    number = vapi.add_number(serverUrl=webhook.url, serverUrlSecret="old secret")
    call_id = vapi.live_call(number["id"])["message"]["call"]["id"]
    await vapi.emit(call_id, "hang")
    assert webhook.headers[0]["X-Vapi-Secret"] == "old secret"


async def test_the_servers_headers_are_sent_and_not_shown(
    vapi: SandboxVapi, open_webhook: OpenWebhook
) -> None:
    webhook = await open_webhook()
    server = {"url": webhook.url, "headers": {"X-Vapi-Secret": "the secret"}}
    number = vapi.add_number(server=server)
    await vapi.emit(vapi.live_call(number["id"])["message"]["call"]["id"], "hang")
    assert webhook.headers[0]["X-Vapi-Secret"] == "the secret"
    assert b"the secret" not in webhook.bodies[0]


def plan(kind: str = "fixed", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "maxRetries": 3, "baseDelaySeconds": 1} | fields


@pytest.mark.parametrize(
    ("backoff", "statuses", "tries"),
    [
        (None, [500, 500], 1),
        (plan(), [500, 502, 200], 3),
        (plan("exponential"), [429, 200], 2),
        (plan(), [500] * 9, 4),
        (plan(maxRetries=0), [500] * 9, 1),
        (plan(), [403, 200], 2),
        (plan(excludedStatusCodes=[400, 401, 403, 404]), [403, 200], 1),
        (plan(excludedStatusCodes=[403]), [500, 403, 200], 2),
        (plan(), [302, 200], 2),
    ],
)
async def test_a_plan_retries_all_but_2xx_and_what_it_excludes(
    vapi: SandboxVapi, open_webhook: OpenWebhook, backoff: Any, statuses: list[int], tries: int
) -> None:
    webhook = await open_webhook()
    webhook.answers = [(status, {}) for status in statuses]
    number = vapi.add_number(server={"url": webhook.url, "backoffPlan": backoff})
    call_id = vapi.live_call(number["id"])["message"]["call"]["id"]
    last = await vapi.emit(call_id, "hang")
    assert last is not None
    assert last.attempt == len(webhook.messages) == tries
    assert [d.http_status for d in vapi.calls[call_id].deliveries] == statuses[:tries]
    # Every copy is the same: there is no event id, only equal bytes.
    assert len(set(webhook.bodies)) == 1


async def test_a_network_failure_is_retried_too(vapi: SandboxVapi, unused_tcp_port: int) -> None:
    server = {"url": f"http://127.0.0.1:{unused_tcp_port}/", "backoffPlan": plan()}
    call_id = vapi.live_call(vapi.add_number(server=server)["id"])["message"]["call"]["id"]
    last = await vapi.emit(call_id, "hang")
    assert last is not None
    assert last.attempt == 4
    assert last.http_status is None


def test_delays_are_fixed_or_doubled() -> None:
    assert retry_delays(None) == []
    assert retry_delays(plan(baseDelaySeconds=2)) == [2, 2, 2]
    assert retry_delays(plan("exponential", baseDelaySeconds=2)) == [2, 4, 8]


async def test_credentials_prove_who_calls(vapi: SandboxVapi, open_webhook: OpenWebhook) -> None:
    webhook = await open_webhook()
    vapi.credentials["bearer"] = BearerCredential("the token")
    vapi.credentials["hmac"] = HmacCredential(b"key", prefix="sha256=")
    vapi.credentials["webhook"] = HmacCredential(
        b"key",
        signature_header="webhook-signature",
        timestamp_header="webhook-timestamp",
        id_header="webhook-id",
        payload="{id}.{timestamp}.{body}",
        prefix="v1,",
        encoding="base64",
        unit="seconds",
    )
    for name in vapi.credentials:
        number = vapi.add_number(server={"url": webhook.url, "credentialId": name})
        await vapi.emit(vapi.live_call(number["id"])["message"]["call"]["id"], "hang")
    bearer, signed, standard = webhook.headers
    assert bearer["Authorization"] == "Bearer the token"
    payload = signed["x-timestamp"].encode() + b"." + webhook.bodies[1]
    assert signed["x-signature"] == "sha256=" + hmac.new(b"key", payload, "sha256").hexdigest()
    payload = f"{standard['webhook-id']}.{standard['webhook-timestamp']}.".encode()
    digest = hmac.new(b"key", payload + webhook.bodies[2], hashlib.sha256).digest()
    assert standard["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
