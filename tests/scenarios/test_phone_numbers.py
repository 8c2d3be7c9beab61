"""Adding a number configures it at Vapi; removing it restores exactly the previous webhook."""

import asyncio
from typing import Any

import pytest
from vapi.types.server import Server

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually
from tests.support.settings import secret_of
from tests.support.vapi_spec import spec_errors

PROVIDERS = {
    "vapi": "UpdateVapiPhoneNumberDTO",
    "twilio": "UpdateTwilioPhoneNumberDTO",
    "vonage": "UpdateVonagePhoneNumberDTO",
    "telnyx": "UpdateTelnyxPhoneNumberDTO",
    "byo-phone-number": "UpdateByoPhoneNumberDTO",
}
FOREIGN = {
    "url": "https://old.example.net/hook",
    "timeoutSeconds": 7,
    "credentialId": "550e8400-e29b-41d4-a716-446655440000",
    "headers": {"X-Theirs": "keep", "x-vapi-secret": "their-old-secret"},
    "staticIpAddressesEnabled": True,
}


def at_vapi(vapi: SandboxVapi, number_id: str) -> Any:
    """The number as Vapi has it."""
    return vapi.numbers.find(number_id)


async def state(callgate: Replica, number: Any) -> Any:
    return (await callgate.api("GET", f"/phone-numbers/{number['id']}")).json["sync"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_provider(callgate: Replica, vapi: SandboxVapi, provider: str) -> None:
    """Configured, foreign parts kept, and the former state back after the release."""
    number_id = vapi.add_number(provider=provider, name="Line", server=dict(FOREIGN))["id"]
    former = dict(at_vapi(vapi, number_id)["server"])
    owner = await callgate.add_organization()
    number = await callgate.add_number(owner, number_id)
    assert number["sync"]["state"] == "in_sync"
    server = at_vapi(vapi, number_id)["server"]
    assert server["url"] == f"{callgate.url}/api/vapi/webhook"
    assert server["headers"] == {"X-Theirs": "keep", "X-Vapi-Secret": secret_of(owner)}
    assert server["credentialId"] == FOREIGN["credentialId"]
    assert server["staticIpAddressesEnabled"] is True
    assert 403 in server["backoffPlan"]["excludedStatusCodes"]
    sent = {"provider": provider, "server": server}
    assert spec_errors(PROVIDERS[provider], sent) == []
    # The SDK's own type; it wrongly refuses the plan's type, which the published spec allows.
    Server.model_validate({key: value for key, value in server.items() if key != "backoffPlan"})
    assert (await callgate.api("DELETE", f"/phone-numbers/{number['id']}")).status == 204
    assert at_vapi(vapi, number_id)["server"] == former
    assert at_vapi(vapi, number_id)["name"] == "Line"
    assert (await callgate.api("GET", f"/phone-numbers/{number['id']}")).status == 404


async def test_nothing_was_there_and_nothing_is_there_afterwards(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    number = await callgate.add_number(await callgate.add_organization(), number_id)
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")
    assert at_vapi(vapi, number_id).get("server") is None


async def test_a_second_look_writes_nothing(callgate: Replica, vapi: SandboxVapi) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    number = await callgate.add_number(await callgate.add_organization(), number_id)
    answer = await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    assert answer.json["sync"]["state"] == "in_sync"
    assert len(vapi.requests("PATCH /phone-number/*")) == 1


async def test_drift_is_found_and_repaired(callgate: Replica, vapi: SandboxVapi) -> None:
    number_id = vapi.add_number(provider="vapi", server=dict(FOREIGN))["id"]
    number = await callgate.add_number(await callgate.add_organization(), number_id)
    vapi.edit_number(number_id, server={"url": "https://colleague.example.net/"})
    answer = await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    assert answer.json["sync"]["state"] == "in_sync"
    assert at_vapi(vapi, number_id)["server"]["url"].startswith(callgate.url)
    # The webhook before ours is restored, not the colleague's change.
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")
    assert at_vapi(vapi, number_id)["server"]["url"] == FOREIGN["url"]


async def test_a_release_leaves_alone_what_points_elsewhere_now(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi", server=dict(FOREIGN))["id"]
    number = await callgate.add_number(await callgate.add_organization(), number_id)
    theirs = {"url": "https://new.example.net/"}
    vapi.edit_number(number_id, server=theirs)
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")
    assert at_vapi(vapi, number_id)["server"] == theirs


async def test_vapi_away_means_pending_and_later_in_sync_also_after_a_restart(
    start_replica: Start, callgate: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    organization_id = await callgate.add_organization()
    await vapi.down()
    number = await callgate.add_number(organization_id, number_id)
    assert number["sync"]["state"] == "pending"
    assert number["sync"]["next_attempt_at"] is not None
    assert number["sync"]["last_error"]
    await vapi.up()

    async def in_sync() -> bool:
        return bool((await state(callgate, number))["state"] == "in_sync")

    await eventually(in_sync, 20)
    assert at_vapi(vapi, number_id)["server"]["url"].startswith("http://127.0.0.1:")


async def test_a_release_goes_on_until_vapi_has_taken_it(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi", server=dict(FOREIGN))["id"]
    former = dict(at_vapi(vapi, number_id)["server"])
    organization_id = await callgate.add_organization()
    number = await callgate.add_number(organization_id, number_id)
    vapi.fail_next("PATCH /phone-number/*", times=1, status=503)
    assert (await callgate.api("DELETE", f"/phone-numbers/{number['id']}")).status == 204
    assert (await callgate.api("GET", "/phone-numbers")).json["items"] == []
    await eventually(lambda: asyncio.sleep(0, at_vapi(vapi, number_id)["server"] == former), 20)


async def test_added_again_while_its_release_is_pending_it_keeps_what_was_there_first(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi", server=dict(FOREIGN))["id"]
    organization_id = await callgate.add_organization()
    number = await callgate.add_number(organization_id, number_id)
    vapi.fail_next("PATCH /phone-number/*", times=1, status=503)
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")
    again = await callgate.add_number(organization_id, number_id)
    assert again["sync"]["state"] == "in_sync"
    await callgate.api("DELETE", f"/phone-numbers/{again['id']}")

    async def restored() -> bool:
        return bool(at_vapi(vapi, number_id)["server"]["url"] == FOREIGN["url"])

    await eventually(restored, 20)


async def test_what_vapi_says_no_to(callgate: Replica, vapi: SandboxVapi) -> None:
    organization_id = await callgate.add_organization()
    body = {"organization_id": organization_id, "vapi_phone_number_id": "nobody-knows-it"}
    answer = await callgate.api("POST", "/phone-numbers", body)
    assert (answer.status, answer.json["code"]) == (422, "vapi_phone_number_not_found")
    number_id = vapi.add_number(provider="vapi")["id"]
    vapi.fail("* /phone-number/*", status=401)
    number = await callgate.add_number(organization_id, number_id)
    assert number["sync"]["state"] == "failed"
    assert "VAPI_API_KEY" in number["sync"]["last_error"]
    vapi.faults.clear()
    vapi.fail("* /phone-number/*", status=429, retry_after=30)
    answer = await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    assert answer.json["sync"]["state"] == "pending"
    vapi.faults.clear()
    answer = await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    assert answer.json["sync"]["state"] == "in_sync"
    vapi.numbers.remove(number_id)
    answer = await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    assert answer.json["sync"]["state"] == "missing"


async def test_an_assistant_with_its_own_server_is_reported(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    assistant = vapi.add_assistant(name="Own", server={"url": "https://own.example.net/"})
    number_id = vapi.add_number(provider="vapi", assistantId=assistant["id"])["id"]
    number = await callgate.add_number(await callgate.add_organization(), number_id)
    assert number["sync"]["state"] == "shadowed"
    assert number["sync"]["drift"][0]["field"] == "assistant.server.url"


async def test_two_replicas_configure_a_number_once(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    url = "http://127.0.0.1:9/api/vapi/webhook"
    one = await start_replica(vapi_webhook_url=url)
    two = await start_replica(vapi_webhook_url=url)
    numbers = [vapi.add_number(provider="vapi")["id"] for _ in range(6)]
    organization_id = await one.add_organization()
    await asyncio.gather(
        *((one, two)[index % 2].add_number(organization_id, n) for index, n in enumerate(numbers))
    )
    await asyncio.sleep(0.5)
    for number_id in numbers:
        assert len(vapi.requests(f"PATCH /phone-number/{number_id}")) == 1


async def test_hmac_mode_writes_no_header_of_ours(start_replica: Start, vapi: SandboxVapi) -> None:
    callgate = await start_replica(vapi_webhook_auth="hmac")
    number_id = vapi.add_number(provider="vapi", server=dict(FOREIGN))["id"]
    await callgate.add_number(await callgate.add_organization(), number_id)
    assert at_vapi(vapi, number_id)["server"]["headers"] == FOREIGN["headers"]
    assert at_vapi(vapi, number_id)["server"]["credentialId"] == FOREIGN["credentialId"]
