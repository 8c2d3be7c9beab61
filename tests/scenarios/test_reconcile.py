"""What operators do about webhooks at Vapi, over real HTTP: sweeps, plans, pauses, routes, roll back."""

from datetime import UTC, datetime, timedelta
from typing import Any

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually
from tests.support.settings import SECRET

ELSEWHERE = {"url": "https://elsewhere.example.net/hook", "headers": {"X-Theirs": "keep"}}


def at_vapi(vapi: SandboxVapi, number_id: str) -> Any:
    """The number as Vapi has it."""
    return vapi.numbers.find(number_id)


def writes(vapi: SandboxVapi) -> int:
    """How often something was changed at Vapi."""
    return len(vapi.requests("PATCH *"))


async def numbers(callgate: Replica, vapi: SandboxVapi, count: int) -> list[Any]:
    """Registered numbers, all in sync."""
    owner = await callgate.add_organization()
    ids = vapi.add_numbers(count, provider="vapi")
    return [await callgate.add_number(owner, number_id) for number_id in ids]


async def get(callgate: Replica, number: Any) -> Any:
    return (await callgate.api("GET", f"/phone-numbers/{number['id']}")).json


async def test_nothing_is_registered_and_vapi_is_not_asked(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    answer = await callgate.api("POST", "/reconcile")
    assert answer.status == 200
    assert answer.json["checked"] == answer.json["drifted"] == 0
    assert vapi.requests("GET /v2/phone-number") == []


async def test_drift_is_shown_by_a_dry_run_and_repaired_by_a_real_one(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    first, second, third = await numbers(callgate, vapi, 3)
    vapi.edit_number(second["vapi_phone_number_id"], server=dict(ELSEWHERE))
    before = writes(vapi)
    plan = (await callgate.api("POST", "/reconcile", {"dry_run": True})).json
    assert (plan["checked"], plan["in_sync"], plan["drifted"], plan["repaired"]) == (3, 2, 1, 0)
    assert [repair["phone_number_id"] for repair in plan["repairs"]] == [second["id"]]
    changes = {entry["field"]: entry for entry in plan["repairs"][0]["changes"]}
    assert changes["server.url"]["observed"] == ELSEWHERE["url"]
    assert changes["server.url"]["desired"] == f"{callgate.url}/api/vapi/webhook"
    assert SECRET not in str(plan)
    assert writes(vapi) == before
    assert (await get(callgate, second))["sync"]["state"] == "drifted"

    done = (await callgate.api("POST", "/reconcile", {"dry_run": False})).json
    assert (done["drifted"], done["repaired"], done["failed"], done["remaining"]) == (1, 1, 0, 0)
    assert writes(vapi) == before + 1
    server = at_vapi(vapi, second["vapi_phone_number_id"])["server"]
    assert server["headers"] == {"X-Theirs": "keep", "X-Vapi-Secret": SECRET}
    assert (await get(callgate, second))["sync"]["state"] == "in_sync"

    again = (await callgate.api("POST", "/reconcile", {})).json
    assert (again["in_sync"], again["drifted"], again["repairs"]) == (3, 0, [])
    assert writes(vapi) == before + 1
    assert first["id"] != third["id"]


async def test_the_sweep_comes_by_itself(start_replica: Start, vapi: SandboxVapi) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0.3)
    number = (await numbers(callgate, vapi, 1))[0]
    vapi.edit_number(
        number["vapi_phone_number_id"], server=None, serverUrl="https://old.example.net"
    )

    async def repaired() -> bool:
        server = at_vapi(vapi, number["vapi_phone_number_id"]).get("server") or {}
        return bool(server.get("url") == f"{callgate.url}/api/vapi/webhook")

    await eventually(repaired)
    standing = (await callgate.api("GET", "/reconcile")).json
    assert standing["mode"] == "enforce"
    assert standing["last_sweep"]["started_by"] == "schedule"


async def test_a_sweep_that_wants_too_much_asks_first(callgate: Replica, vapi: SandboxVapi) -> None:
    registered = await numbers(callgate, vapi, 12)
    for number in registered:
        vapi.edit_number(number["vapi_phone_number_id"], server=dict(ELSEWHERE))
    before = writes(vapi)
    refused = await callgate.api("POST", "/reconcile", {})
    assert refused.status == 409
    assert refused.json["code"] == "too_many_changes"
    assert (refused.json["drifted"], refused.json["limit"]) == (12, 10)
    assert writes(vapi) == before
    standing = (await callgate.api("GET", "/reconcile")).json
    assert standing["held"]["plan"] == refused.json["plan"]
    wrong = await callgate.api("POST", "/reconcile", {"plan": "0" * 16})
    assert (wrong.status, wrong.json["code"]) == (409, "plan_changed")
    done = await callgate.api("POST", "/reconcile", {"plan": refused.json["plan"]})
    assert (done.status, done.json["repaired"]) == (200, 12)
    assert (await callgate.api("GET", "/reconcile")).json["held"] is None


async def test_a_paused_number_is_looked_at_and_left_alone(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number = (await numbers(callgate, vapi, 1))[0]
    path = f"/phone-numbers/{number['id']}"
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    paused = await callgate.api("PUT", f"{path}/pause", {"reason": "their test", "until": until})
    assert paused.status == 200
    assert paused.json["sync"]["state"] == "paused"
    assert (paused.json["pause"]["by"], paused.json["pause"]["reason"]) == (
        "admin-token",
        "their test",
    )
    vapi.edit_number(number["vapi_phone_number_id"], server=dict(ELSEWHERE))
    before = writes(vapi)
    report = (await callgate.api("POST", "/reconcile", {})).json
    assert (report["drifted"], report["repaired"], report["paused"]) == (1, 0, 1)
    synced = (await callgate.api("POST", f"{path}/sync")).json
    assert synced["sync"]["state"] == "paused"
    assert "server.url" in {entry["field"] for entry in synced["sync"]["drift"]}
    assert writes(vapi) == before
    resumed = await callgate.api("DELETE", f"{path}/pause")
    assert resumed.json["pause"] is None

    async def in_sync() -> bool:
        return bool((await get(callgate, number))["sync"]["state"] == "in_sync")

    await eventually(in_sync)
    actions = [
        entry["action"]
        for entry in (await callgate.api("GET", f"/audit?object_id={number['id']}")).json["items"]
    ]
    assert actions[:2] == ["phone_number.resumed", "phone_number.paused"]


async def test_a_pause_ends_by_itself(callgate: Replica, vapi: SandboxVapi) -> None:
    number = (await numbers(callgate, vapi, 1))[0]
    until = (datetime.now(UTC) + timedelta(seconds=0.8)).isoformat()
    path = f"/phone-numbers/{number['id']}"
    await callgate.api("PUT", f"{path}/pause", {"reason": "a moment", "until": until})
    vapi.edit_number(number["vapi_phone_number_id"], server=dict(ELSEWHERE))

    async def in_sync() -> bool:
        return bool((await get(callgate, number))["sync"]["state"] == "in_sync")

    await eventually(in_sync)
    url = at_vapi(vapi, number["vapi_phone_number_id"])["server"]["url"]
    assert url == f"{callgate.url}/api/vapi/webhook"
    past = await callgate.api(
        "PUT", f"{path}/pause", {"reason": "no", "until": "2020-01-01T00:00:00Z"}
    )
    assert (past.status, past.json["code"]) == (422, "bad_period")


async def test_everything_can_be_paused(callgate: Replica, vapi: SandboxVapi) -> None:
    number = (await numbers(callgate, vapi, 1))[0]
    standing = (await callgate.api("PUT", "/reconcile/pause", {"reason": "migration"})).json
    assert standing["pause"]["reason"] == "migration"
    vapi.edit_number(number["vapi_phone_number_id"], server=dict(ELSEWHERE))
    before = writes(vapi)
    report = (await callgate.api("POST", "/reconcile", {})).json
    assert (report["drifted"], report["paused"], report["repaired"]) == (1, 1, 0)
    await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    assert writes(vapi) == before
    await callgate.api("DELETE", "/reconcile/pause")

    async def in_sync() -> bool:
        return bool((await get(callgate, number))["sync"]["state"] == "in_sync")

    await eventually(in_sync)


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
