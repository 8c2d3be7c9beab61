"""What operators do about webhooks at Vapi, over real HTTP: sweeps, plans, pauses, routes, roll back."""

from datetime import UTC, datetime, timedelta

from service.sandbox.server import SandboxVapi
from tests.support.reconcile_stories import ELSEWHERE, at_vapi, get, numbers, writes
from tests.support.service import Replica, Start, eventually
from tests.support.settings import SECRET, secret_of


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
    assert server["headers"] == {
        "X-Theirs": "keep",
        "X-Vapi-Secret": secret_of(second["organization_id"]),
    }
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
