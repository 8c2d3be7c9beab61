"""Numbers that take no webhook, and assistants with a secret of ours."""

from typing import Any

import pytest

from service.domain.sweeps import SweepRequest
from service.sandbox.server import SandboxVapi
from tests.reconcile.steps.assistants.helpers import (
    SERVER,
    add_assistant,
    get,
    idle,
    ours,
    own,
    sweep,
    writes,
)
from tests.support.service import Replica, Start, eventually
from tests.support.settings import SECRET, secret_of


@pytest.mark.parametrize("server", [None, SERVER], ids=["plain", "with a server of its own"])
async def test_a_number_that_takes_no_webhook_has_it_on_its_assistant(
    callgate: Replica, vapi: SandboxVapi, server: dict[str, Any] | None
) -> None:
    """Vapi is not asked again at every sweep; a person's order tries the number again."""
    assistant = add_assistant(vapi, server=server)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    vapi.fail("PATCH /phone-number/*", status=400)
    number_id = vapi.add_number(assistantId=assistant)["id"]
    number = await callgate.add_number(organization, number_id)
    sync = number["sync"]
    assert (sync["state"], sync["level"]) == ("in_sync", "assistant")
    assert "refuses" in sync["last_error"]
    assert (vapi.assistants.find(assistant) or {})["server"]["url"] == ours(callgate)
    assert (writes(vapi, "phone-number"), writes(vapi, "assistant")) == (1, 1)
    call = vapi.place_call(number_id, duration=2)
    await call.settled()
    assert {delivery.url for delivery in call.deliveries} == {ours(callgate)}
    before = len(vapi.requests())
    for _ in range(3):
        report = await sweep(callgate)
        assert (report["in_sync"], report["drifted"]) == (1, 0)
    # The hang-up of the blocked call, and the look at Vapi's calls, may still ask about calls.
    paths = {request.path for request in list(vapi.requests())[before:]}
    assert {path for path in paths if not path.startswith("/call")} == {
        "/v2/phone-number",
        "/assistant",
    }
    vapi.faults.clear()
    synced = (await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")).json["sync"]
    assert (synced["state"], synced["last_error"]) == ("in_sync", None)
    assert (vapi.numbers.find(number_id) or {})["server"]["url"] == ours(callgate)
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")
    assert (vapi.assistants.find(assistant) or {}).get("server") == server
    assert (vapi.numbers.find(number_id) or {}).get("server") is None


async def test_a_number_that_takes_no_webhook_and_loses_its_assistant_says_so(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    assistant = add_assistant(vapi, server=None)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    vapi.fail("PATCH /phone-number/*", status=400)
    number_id = vapi.add_number(assistantId=assistant)["id"]
    number = await callgate.add_number(organization, number_id)
    assert number["sync"]["state"] == "in_sync"
    vapi.edit_number(number_id, assistantId=None)
    await sweep(callgate)

    async def has_failed() -> bool:
        """The number itself is tried in the pass after the sweep, and again if Vapi was slow."""
        return bool((await get(callgate, number))["sync"]["state"] == "failed")

    await eventually(has_failed)
    await idle(callgate)
    assert (vapi.assistants.find(assistant) or {}).get("server") is None
    tried = writes(vapi, "phone-number")
    for _ in range(3):
        await callgate.service.reconciling.sweeper.sweep(SweepRequest())
        await idle(callgate)
    assert writes(vapi, "phone-number") == tried


async def test_a_number_that_takes_no_webhook_and_has_no_assistant_of_ours_fails(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    assistant = add_assistant(vapi, server=None)
    vapi.fail("PATCH /phone-number/*", status=400)
    organization = await callgate.add_organization()
    for fields in ({}, {"assistantId": assistant}):
        number = await callgate.add_number(organization, vapi.add_number(**fields)["id"])
        assert number["sync"]["state"] == "failed"
        assert "refuses" in number["sync"]["last_error"]
    assert writes(vapi, "assistant") == 0


@pytest.mark.parametrize(
    "headers", [None, {}, {"X-Vapi-Secret": "not ours"}], ids=["none", "empty", "another"]
)
async def test_an_assistant_that_posts_to_us_without_our_secret_is_reported(
    callgate: Replica, vapi: SandboxVapi, headers: dict[str, str] | None
) -> None:
    """Its events arrive and are refused: to the caller that is no gate either."""
    server = {"url": ours(callgate)} | ({} if headers is None else {"headers": headers})
    assistant = add_assistant(vapi, server=server)
    organization = await callgate.add_organization()
    number = await callgate.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    sync = number["sync"]
    assert sync["state"] == "shadowed"
    assert "assistant.server.headers.X-Vapi-Secret" in [entry["field"] for entry in sync["drift"]]
    assert "without this organization's secret" in sync["last_error"]
    assert SECRET not in str(number)
    report = await sweep(callgate)
    assert (report["shadowed"], report["repairs"]) == (1, [])
    assert writes(vapi, "assistant") == 0
    await own(callgate, organization, assistant)
    assert (await get(callgate, number))["sync"]["state"] == "in_sync"
    assert (vapi.assistants.find(assistant) or {})["server"]["headers"] == {
        "X-Vapi-Secret": secret_of(organization)
    }


async def test_an_assistant_of_ours_with_an_accepted_secret_is_well(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """Set up by hand, with other timeouts than ours: it does what it should and is not ours."""
    server = {"url": ours(callgate), "headers": {"x-vapi-secret": SECRET}, "timeoutSeconds": 5}
    assistant = add_assistant(vapi, server=server)
    organization = await callgate.add_organization()
    number = await callgate.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    assert (number["sync"]["state"], number["sync"]["drift"]) == ("in_sync", [])
    assert (await sweep(callgate))["in_sync"] == 1
    assert writes(vapi, "assistant") == 0


async def test_a_new_secret_reaches_assistants_too(start_replica: Start, vapi: SandboxVapi) -> None:
    """However many they are: our own rotation neither trips the brake nor counts as drift."""
    url = "http://127.0.0.1:9/api/vapi/webhook"
    old = await start_replica(vapi_webhook_url=url, callgate_reconcile_interval=0)
    assistants = [add_assistant(vapi) for _ in range(12)]
    organization = await old.add_organization(assistant_ids=assistants)
    for assistant in assistants:
        await old.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    await old.service.stop()
    new = await start_replica(
        vapi_webhook_url=url,
        vapi_webhook_secret=f"the-new-secret-of-the-tests,{SECRET}",
        callgate_reconcile_interval=0,
    )
    report = await sweep(new)
    assert (report["drifted"], report["repaired"]) == (12, 12)
    for assistant in assistants:
        server = (vapi.assistants.find(assistant) or {})["server"]
        assert server["headers"] == {
            "X-Theirs": "keep",
            "X-Vapi-Secret": secret_of(organization, "the-new-secret-of-the-tests"),
        }
    causes = await new.service.pool.fetch(
        "SELECT cause, level, count(*) AS times FROM callgate.webhook_changes "
        "WHERE cause <> 'added' GROUP BY cause, level ORDER BY level"
    )
    assert [tuple(row) for row in causes] == [
        ("secret_rotated", "assistant", 12),
        ("secret_rotated", "phone_number", 12),
    ]


async def test_an_assistant_that_somebody_keeps_changing_back_is_left_alone(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    assistant = add_assistant(vapi)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    number = await callgate.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    for _ in range(5):
        vapi.edit_assistant(assistant, server=dict(SERVER))
        await callgate.service.reconciling.sweeper.sweep(SweepRequest())
        await idle(callgate)
    assert writes(vapi, "assistant") <= 4
    sync = (await get(callgate, number))["sync"]
    assert sync["state"] == "drifted"
    assert "assistant.server.url" in sync["last_error"]
