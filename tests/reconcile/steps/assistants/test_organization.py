"""The webhook on assistants of the organization: put there, shared, restored."""

from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.reconcile.steps.assistants.helpers import (
    MODEL,
    SERVER,
    THEIRS,
    add_assistant,
    get,
    idle,
    ours,
    own,
    sweep,
    writes,
)
from tests.support.service import Replica, Start
from tests.support.settings import SECRET, secret_of


async def test_an_assistant_of_the_organization_carries_the_webhook(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """Foreign parts stay, the events of a call arrive, and a release puts everything back."""
    organization = await callgate.add_organization()
    plan = {"code": "pro", "status": "active"}
    await callgate.api("PUT", f"/organizations/{organization}/plan", plan)
    assistant = add_assistant(vapi)
    former = dict(vapi.assistants.find(assistant) or {})
    number_id = vapi.add_number(assistantId=assistant)["id"]
    number = await callgate.add_number(organization, number_id)
    assert number["sync"]["state"] == "shadowed"

    await own(callgate, organization, assistant)
    found = await get(callgate, number)
    assert (found["sync"]["state"], found["sync"]["level"]) == ("in_sync", "assistant")
    assert found["sync"]["last_error"] is None
    now = vapi.assistants.find(assistant) or {}
    assert now["server"]["headers"] == {
        "X-Theirs": "keep",
        "X-Vapi-Secret": secret_of(organization),
    }
    assert (now["server"]["url"], now["server"]["timeoutSeconds"]) == (ours(callgate), 20)
    assert now["server"]["staticIpAddressesEnabled"] is True
    assert {key: now[key] for key in ("name", "model")} == {"name": "Order taker", "model": MODEL}
    assert SECRET not in str(
        (await callgate.api("GET", f"/phone-numbers/{number['id']}/changes")).json
    )

    call = vapi.place_call(number_id, duration=3)
    await call.settled()
    assert {delivery.url for delivery in call.deliveries} == {ours(callgate)}
    assert {delivery.http_status for delivery in call.deliveries} == {200}
    recorded = await callgate.call(call.id)
    assert (recorded["phone_number_id"], recorded["blocked"]) == (number["id"], False)

    before = writes(vapi)
    report = await sweep(callgate)
    assert (report["in_sync"], report["drifted"]) == (1, 0)
    assert writes(vapi) == before
    assert (await callgate.api("DELETE", f"/phone-numbers/{number['id']}")).status == 204
    after = dict(vapi.assistants.find(assistant) or {})
    assert {**after, "updatedAt": ""} == {**former, "updatedAt": ""}
    assert (vapi.numbers.find(number_id) or {}).get("server") is None


async def test_a_blocked_call_that_an_assistant_answers_is_hung_up(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """The reason for the fallback: without it Callgate would not learn of this call."""
    assistant = add_assistant(vapi)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    number_id = vapi.add_number(assistantId=assistant)["id"]
    number = await callgate.add_number(organization, number_id)
    assert (number["sync"]["state"], number["sync"]["level"]) == ("in_sync", "assistant")
    call = vapi.place_call(number_id, duration=600)
    await call.settled()
    assert [hangup.call_id for hangup in vapi.hangups] == [call.id]
    assert (await callgate.call(call.id))["blocked"] is True


async def test_a_sweep_finds_what_an_assistant_took_away_and_mends_it(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """The first webhook is restored in the end, not the one that a colleague wrote meanwhile."""
    assistant = add_assistant(vapi, server=None)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    number = await callgate.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    assert (number["sync"]["state"], number["sync"]["level"]) == ("in_sync", "phone_number")
    vapi.edit_assistant(assistant, server=dict(SERVER))
    dry = (await callgate.api("POST", "/reconcile", {"dry_run": True})).json
    assert [change["field"] for change in dry["repairs"][0]["changes"]] == ["assistant.server.url"]
    report = await sweep(callgate)
    assert (report["drifted"], report["repaired"]) == (1, 1)
    assert (await get(callgate, number))["sync"]["level"] == "assistant"
    changes: tuple[dict[str, Any], ...] = (
        {"url": "https://colleague.example.net"},
        {"headers": {}},
        {"timeoutSeconds": 1},
    )
    for change in changes:
        server = (vapi.assistants.find(assistant) or {})["server"]
        vapi.edit_assistant(assistant, server={**server, **change})
        await callgate.service.pool.execute("UPDATE callgate.webhook_states SET settled_at = now()")
        assert (await sweep(callgate))["repaired"] == 1
        server = (vapi.assistants.find(assistant) or {})["server"]
        assert (server["url"], server["timeoutSeconds"]) == (ours(callgate), 20)
        assert server["headers"]["X-Vapi-Secret"] == secret_of(organization)
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")
    assert (vapi.assistants.find(assistant) or {})["server"]["url"] == THEIRS


@pytest.mark.parametrize("when", ["added", "bound later"])
async def test_two_numbers_share_an_assistant(
    callgate: Replica, vapi: SandboxVapi, when: str
) -> None:
    """The first release keeps the webhook for the other number, the last one puts it back."""
    assistant = add_assistant(vapi)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    first = vapi.add_number(assistantId=assistant)["id"]
    second = vapi.add_number(assistantId=assistant if when == "added" else None)["id"]
    one, two = [await callgate.add_number(organization, each) for each in (first, second)]
    vapi.edit_number(second, assistantId=assistant)
    await sweep(callgate)
    for number in one, two:
        sync = (await get(callgate, number))["sync"]
        assert (sync["state"], sync["level"]) == ("in_sync", "assistant")
    assert writes(vapi, "assistant") == 1
    await callgate.api("DELETE", f"/phone-numbers/{one['id']}")
    await idle(callgate)
    assert (vapi.assistants.find(assistant) or {})["server"]["url"] == ours(callgate)
    asked = len(vapi.requests())
    assert (await sweep(callgate))["in_sync"] == 1
    assert len(vapi.requests()) == asked + 1 + 2
    await callgate.api("DELETE", f"/phone-numbers/{two['id']}")
    await idle(callgate)
    assert (vapi.assistants.find(assistant) or {})["server"] == SERVER
    left = await callgate.service.pool.fetchval("SELECT count(*) FROM callgate.assistant_webhooks")
    assert left == 0


async def test_squad_members_of_the_organization_carry_the_webhook(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """All of them, or none: half of a call's events are of no use."""
    first, second, plain = (
        add_assistant(vapi),
        add_assistant(vapi),
        add_assistant(vapi, server=None),
    )
    members = [{"assistantId": one} for one in (first, plain, second)]
    number_id = vapi.add_number(squadId=vapi.add_squad(members=members)["id"])["id"]
    organization = await callgate.add_organization(assistant_ids=[first])
    number = await callgate.add_number(organization, number_id)
    assert number["sync"]["state"] == "shadowed"
    assert writes(vapi, "assistant") == 0
    await own(callgate, organization, first, second)
    found = (await get(callgate, number))["sync"]
    assert (found["state"], found["level"]) == ("in_sync", "assistant")
    urls = [(vapi.assistants.find(one) or {}).get("server") for one in (first, second, plain)]
    assert [(server or {}).get("url") for server in urls] == [ours(callgate), ours(callgate), None]
    assert (await sweep(callgate))["in_sync"] == 1
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")
    assert [(vapi.assistants.find(one) or {})["server"] for one in (first, second)] == [SERVER] * 2


@pytest.mark.parametrize("how", ["unbound", "bound elsewhere", "unregistered", "deleted"])
async def test_an_assistant_that_no_longer_answers_is_given_back(
    callgate: Replica, vapi: SandboxVapi, how: str
) -> None:
    assistant, other = add_assistant(vapi), add_assistant(vapi, server=None)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    number_id = vapi.add_number(assistantId=assistant)["id"]
    number = await callgate.add_number(organization, number_id)
    assert number["sync"]["level"] == "assistant"
    if how == "unregistered":
        await own(callgate, organization)
    elif how == "deleted":
        vapi.assistants.remove(assistant)
    else:
        vapi.edit_number(number_id, assistantId=other if how == "bound elsewhere" else None)
    await sweep(callgate)
    if how != "deleted":
        assert (vapi.assistants.find(assistant) or {})["server"] == SERVER
    sync = (await get(callgate, number))["sync"]
    assert sync["state"] == ("shadowed" if how == "unregistered" else "in_sync")
    assert sync["level"] == "phone_number"
    assert (vapi.numbers.find(number_id) or {})["server"]["url"] == ours(callgate)
    assert (
        await callgate.service.pool.fetchval("SELECT count(*) FROM callgate.assistant_webhooks")
        == 0
    )
    before = len(vapi.requests())
    await sweep(callgate)
    assert {request.path for request in list(vapi.requests())[before:]} <= {
        "/v2/phone-number",
        "/assistant",
        # Whether one that no list shows is gone, only a request for it tells.
        *([f"/assistant/{assistant}"] if how == "deleted" else []),
    }


async def test_assistants_are_never_touched_where_that_is_set(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(
        callgate_assistant_webhooks="never", callgate_reconcile_interval=0
    )
    assistant = add_assistant(vapi)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    number = await callgate.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    report = await sweep(callgate)
    assert (report["shadowed"], report["repairs"]) == (1, [])
    sync = (await get(callgate, number))["sync"]
    assert sync["state"] == "shadowed"
    assert assistant in sync["last_error"]
    assert writes(vapi, "assistant") == 0


async def test_what_was_put_on_assistants_is_taken_back_where_it_is_no_longer_allowed(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    url = "http://127.0.0.1:9/api/vapi/webhook"
    allowing = await start_replica(vapi_webhook_url=url, callgate_reconcile_interval=0)
    assistant = add_assistant(vapi)
    organization = await allowing.add_organization(assistant_ids=[assistant])
    number = await allowing.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    assert number["sync"]["level"] == "assistant"
    await allowing.service.stop()
    never = await start_replica(
        vapi_webhook_url=url, callgate_assistant_webhooks="never", callgate_reconcile_interval=0
    )
    await sweep(never)
    assert (vapi.assistants.find(assistant) or {})["server"] == SERVER
    assert (await get(never, number))["sync"]["state"] == "shadowed"
