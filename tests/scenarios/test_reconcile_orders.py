"""Roll back, observing, a refused key, roles and metrics of a whole service that reconciles."""

from service.sandbox.server import SandboxVapi
from tests.support.reconcile_stories import ELSEWHERE, at_vapi, get, numbers, writes
from tests.support.service import Replica, Start, eventually
from tests.support.settings import SECRET


async def test_each_change_is_kept_and_can_be_rolled_back(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi", server=dict(ELSEWHERE))["id"]
    number = await callgate.add_number(await callgate.add_organization(), number_id)
    path = f"/phone-numbers/{number['id']}"
    found = (await callgate.api("GET", f"{path}/changes")).json["items"]
    assert len(found) == 1
    change = found[0]
    assert (change["cause"], change["actor"], change["source"]) == ("added", "admin-token", "api")
    assert change["before"]["server"]["url"] == ELSEWHERE["url"]
    assert change["before"]["server"]["headers"] == {"X-Theirs": "••••••"}
    assert change["after"]["server"]["url"] == f"{callgate.url}/api/vapi/webhook"
    assert change["applied_at"] is not None
    assert SECRET not in str(found)
    assert "keep" not in str(found)

    rolled = await callgate.api("POST", f"{path}/rollback", {"change_id": change["id"]})
    assert rolled.status == 200, rolled.json
    assert rolled.json["sync"]["state"] == "paused"
    assert at_vapi(vapi, number_id)["server"] == ELSEWHERE
    newest = (await callgate.api("GET", f"{path}/changes")).json["items"][0]
    assert newest["cause"] == "rolled_back"
    await callgate.api("POST", "/reconcile", {})
    assert at_vapi(vapi, number_id)["server"] == ELSEWHERE
    missing = await callgate.api("POST", f"{path}/rollback", {"change_id": 999_999})
    assert (missing.status, missing.json["code"]) == (404, "change_not_found")


async def test_a_roll_back_without_vapi_says_so(callgate: Replica, vapi: SandboxVapi) -> None:
    number = (await numbers(callgate, vapi, 1))[0]
    path = f"/phone-numbers/{number['id']}"
    change = (await callgate.api("GET", f"{path}/changes")).json["items"][0]
    await vapi.down()
    answer = await callgate.api("POST", f"{path}/rollback", {"change_id": change["id"]})
    assert (answer.status, answer.json["code"]) == (503, "vapi_unavailable")
    assert (await get(callgate, number))["sync"]["state"] == "paused"
    await vapi.up()
    assert (
        await callgate.api("POST", f"{path}/rollback", {"change_id": change["id"]})
    ).status == 200
    assert at_vapi(vapi, number["vapi_phone_number_id"]).get("server") is None


async def test_the_route_says_where_events_go(callgate: Replica, vapi: SandboxVapi) -> None:
    assistant = vapi.add_assistant(name="Order taker", server={"url": "https://crm.example.net"})
    number_id = vapi.add_number(provider="vapi", assistantId=assistant["id"])["id"]
    number = await callgate.add_number(await callgate.add_organization(), number_id)
    assert number["sync"]["state"] == "shadowed"
    assert number["conditions"] == {
        "configured": True,
        "unshadowed": False,
        "last_event_at": None,
    }
    route = (await callgate.api("GET", f"/phone-numbers/{number['id']}/route")).json
    assert route["answered_by"] == "assistant"
    assert route["reaches_us"] is False
    assert route["shadows"][0]["url"] == "https://crm.example.net"
    assert assistant["id"] in route["remedy"]
    vapi.edit_assistant(assistant["id"], server=None)
    assert (await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")).json["sync"][
        "state"
    ] == "in_sync"
    await vapi.down()
    away = await callgate.api("GET", f"/phone-numbers/{number['id']}/route")
    assert (away.status, away.json["code"]) == (503, "vapi_unavailable")


async def test_observing_writes_only_what_a_person_orders(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(
        callgate_reconcile_mode="observe", callgate_reconcile_interval=0.2
    )
    number = (await numbers(callgate, vapi, 1))[0]
    assert number["sync"]["state"] == "in_sync"
    vapi.edit_number(number["vapi_phone_number_id"], server=dict(ELSEWHERE))
    before = writes(vapi)

    async def drifted() -> bool:
        return bool((await get(callgate, number))["sync"]["state"] == "drifted")

    await eventually(drifted)
    assert writes(vapi) == before
    answer = await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    assert answer.json["sync"]["state"] == "in_sync"
    assert writes(vapi) == before + 1


async def test_a_refused_key_stops_the_storm_and_shows(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0.2)
    number = (await numbers(callgate, vapi, 1))[0]
    vapi.edit_number(number["vapi_phone_number_id"], server=dict(ELSEWHERE))
    vapi.fail("* /*phone-number*", status=401)

    async def degraded() -> bool:
        async with callgate.session.get(f"{callgate.url}/readyz") as response:
            body = await response.json()
        return any(check["name"] == "vapi_key" for check in body["checks"])

    await eventually(degraded)
    asked = len(vapi.requests("GET *"))
    refused = await callgate.api("POST", "/reconcile", {"dry_run": True})
    assert (refused.status, refused.json["code"]) == (503, "vapi_key_refused")
    assert len(vapi.requests("GET *")) <= asked + 2
    vapi.faults.clear()
    await callgate.service.pool.execute("UPDATE callgate.reconciliation SET key_retry_at = now()")

    async def repaired() -> bool:
        return bool((await get(callgate, number))["sync"]["state"] == "in_sync")

    await eventually(repaired)


async def test_only_admins_change_anything(callgate: Replica, vapi: SandboxVapi) -> None:
    number = (await numbers(callgate, vapi, 1))[0]
    made = await callgate.api("POST", "/tokens", {"name": "reader", "role": "viewer"})
    token = made.json["token"]
    path = f"/phone-numbers/{number['id']}"
    for method, where, body in (
        ("POST", "/reconcile", {}),
        ("PUT", "/reconcile/pause", {"reason": "no"}),
        ("DELETE", "/reconcile/pause", None),
        ("PUT", f"{path}/pause", {"reason": "no"}),
        ("DELETE", f"{path}/pause", None),
        ("POST", f"{path}/rollback", {"change_id": 1}),
    ):
        answer = await callgate.api(method, where, body, token=token)
        assert answer.status == 403, where
    for where in ("/reconcile", f"{path}/route", f"{path}/changes"):
        assert (await callgate.api("GET", where, token=token)).status == 200
    dry = await callgate.api("POST", "/reconcile", {"dry_run": True}, token=token)
    assert dry.status == 200


async def test_the_metrics_tell_how_numbers_stand(callgate: Replica, vapi: SandboxVapi) -> None:
    await numbers(callgate, vapi, 2)
    await callgate.api("POST", "/reconcile", {})
    callgate.service.web.collector.last = await callgate.service.web.collector.read()
    async with callgate.session.get(f"{callgate.url}/metrics") as response:
        text = await response.text()
    assert 'callgate_webhooks{state="in_sync"} 2.0' in text
    assert 'callgate_webhook_repairs_total{level="phone_number"} 2.0' in text
    assert "callgate_sweep_age_seconds " in text
    assert "callgate_sweep_held 0.0" in text


async def test_a_number_that_is_gone_is_told_by_the_sweep_that_did_not_see_it(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    first, second = await numbers(callgate, vapi, 2)
    vapi.numbers.remove(first["vapi_phone_number_id"])
    report = (await callgate.api("POST", "/reconcile")).json
    assert (report["checked"], report["in_sync"], report["failed"]) == (2, 1, 1)
    assert (await get(callgate, first))["sync"]["state"] == "missing"
    assert (await get(callgate, second))["sync"]["state"] == "in_sync"
    again = (await callgate.api("POST", "/reconcile")).json
    assert (again["checked"], again["failed"], again["missing"]) == (2, 1, 1)


async def test_an_account_without_the_paged_list_is_read_by_the_older_one(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    first, _ = await numbers(callgate, vapi, 2)
    vapi.edit_number(first["vapi_phone_number_id"], server=dict(ELSEWHERE))
    vapi.fail("GET /v2/phone-number", status=404)
    report = (await callgate.api("POST", "/reconcile")).json
    assert (report["checked"], report["repaired"], report["failed"]) == (2, 1, 0)
