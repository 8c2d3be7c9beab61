"""Unknown numbers: how they are recorded and removed, and the roles that may change them."""

import asyncio
from typing import Any

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start


def message(number_id: str | None, call_id: str, kind: str = "status-update") -> dict[str, Any]:
    """The first message of a call to a number."""
    call = {"id": call_id, "type": "inboundPhoneCall", "phoneNumberId": number_id}
    shown = {"id": number_id, "number": "+15550100123"}
    return {"message": {"type": kind, "status": "in-progress", "call": call, "phoneNumber": shown}}


async def inbox(callgate: Replica, ignored: str = "false") -> list[Any]:
    answer = await callgate.api("GET", f"/unknown-numbers?ignored={ignored}")
    assert answer.status == 200, answer.json
    return list(answer.json["items"])


async def test_a_number_is_noted_once_a_call(callgate: Replica) -> None:
    for _ in range(3):
        assert (await callgate.post(message("pn-1", "call-1"))).status == 404
    [found] = await inbox(callgate)
    assert found["vapi_phone_number_id"] == "pn-1"
    assert (found["calls"], found["last_vapi_call_id"]) == (1, "call-1")
    assert found["ignored_at"] is None
    assert found["number"] == "+15550100123"
    await callgate.post(message("pn-1", "call-2", "assistant-request"))
    [again] = await inbox(callgate)
    assert (again["calls"], again["last_vapi_call_id"]) == (2, "call-2")
    assert again["first_seen_at"] == found["first_seen_at"] < again["last_seen_at"]


async def test_the_last_to_call_comes_first_and_pages_follow_each_other(callgate: Replica) -> None:
    for place in range(5):
        await callgate.post(message(f"pn-{place}", f"call-{place}"))
    await callgate.post(message("pn-1", "call-again"))
    seen, cursor = list[str](), ""
    while True:
        page = (await callgate.api("GET", f"/unknown-numbers?limit=2{cursor}")).json
        seen += [item["vapi_phone_number_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["pn-1", "pn-4", "pn-3", "pn-2", "pn-0"]


async def test_registered_numbers_and_calls_without_a_number_never_enter(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization()
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number_id)
    await callgate.post(message(number_id, "call-1"))
    web = {"type": "status-update", "call": {"id": "call-2", "type": "webCall"}}
    assert (await callgate.post({"message": web})).status == 404
    await callgate.post(message("not/an id"[:3] + "/1", "call-3"))
    assert await inbox(callgate) == []


async def test_a_claim_is_one_step_and_the_next_message_of_the_call_is_the_owner_s(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi", number="+15550100321")["id"]
    body = vapi.live_call(number_id)
    assert (await callgate.post(body)).status == 404
    owner = await callgate.add_organization()
    path = f"/unknown-numbers/{number_id}/claim"
    answer = await callgate.api(
        "POST", path, {"organization_id": owner, "label": "Front desk", "gate": "request"}
    )
    assert answer.status == 201, answer.json
    made = answer.json
    assert (made["organization_id"], made["label"], made["gate"]) == (
        owner,
        "Front desk",
        "request",
    )
    assert made["number"] == "+15550100321"
    assert made["sync"]["state"] == "in_sync"
    assert answer.headers["Location"] == f"/api/v1/phone-numbers/{made['id']}"
    assert await inbox(callgate) == []
    audit = (await callgate.api("GET", f"/audit?object_id={made['id']}")).json["items"]
    assert [entry["action"] for entry in audit] == ["phone_number.created"]
    assert (await callgate.post(body)).status == 403
    twice = await callgate.api("POST", path, {"organization_id": owner})
    assert (twice.status, twice.json["code"]) == (409, "phone_number_taken")


async def test_a_claim_says_what_is_wrong(callgate: Replica, vapi: SandboxVapi) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    owner = await callgate.add_organization()
    for vapi_id, status, code in (
        (number_id, 404, "unknown_number_not_found"),
        ("bad%20id", 404, "not_found"),
    ):
        answer = await callgate.api(
            "POST", f"/unknown-numbers/{vapi_id}/claim", {"organization_id": owner}
        )
        assert (answer.status, answer.json["code"]) == (status, code)
    for given in (number_id, "gone-at-vapi"):
        await callgate.post(message(given, f"call-{given}"))
    nobody = "00000000-0000-0000-0000-000000000001"
    for vapi_id, organization_id, code in (
        (number_id, nobody, "organization_not_found"),
        ("gone-at-vapi", owner, "vapi_phone_number_not_found"),
    ):
        answer = await callgate.api(
            "POST", f"/unknown-numbers/{vapi_id}/claim", {"organization_id": organization_id}
        )
        assert (answer.status, answer.json["code"]) == (422, code)
    assert len(await inbox(callgate)) == 2


async def test_a_number_that_is_registered_in_another_way_leaves(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.post(message(number_id, "call-1"))
    owner = await callgate.add_organization()
    made = await callgate.add_number(owner, number_id)
    assert await inbox(callgate) == []
    await callgate.api("DELETE", f"/phone-numbers/{made['id']}")
    assert await inbox(callgate) == []
    await callgate.post(message(number_id, "call-2"))
    [found] = await inbox(callgate)
    assert found["calls"] == 1


async def test_ignoring_puts_aside_and_is_on_record(callgate: Replica) -> None:
    await callgate.post(message("pn-1", "call-1"))
    for _ in range(2):
        answer = await callgate.api("PUT", "/unknown-numbers/pn-1/ignore")
        assert answer.status == 200
        assert answer.json["ignored_by"] == "admin-token"
    assert await inbox(callgate) == []
    await callgate.post(message("pn-1", "call-2"))
    [found] = await inbox(callgate, "true")
    assert (found["calls"], found["ignored_by"]) == (2, "admin-token")
    for _ in range(2):
        answer = await callgate.api("DELETE", "/unknown-numbers/pn-1/ignore")
        assert (answer.status, answer.json["ignored_at"]) == (200, None)
    assert len(await inbox(callgate)) == 1
    audit = (await callgate.api("GET", "/audit?object_id=pn-1")).json["items"]
    assert [entry["action"] for entry in audit] == [
        "unknown_number.heeded",
        "unknown_number.ignored",
    ]
    for method in ("PUT", "DELETE"):
        answer = await callgate.api(method, "/unknown-numbers/pn-2/ignore")
        assert (answer.status, answer.json["code"]) == (404, "unknown_number_not_found")


async def test_two_replicas_count_every_call_and_never_lock_each_other_out(
    start_replica: Start,
) -> None:
    replicas = [await start_replica(), await start_replica()]
    places = range(60)
    # The calls' order is the numbers' order in one replica and its reverse in the other.
    posts = [
        replica.post(message(f"pn-{number}", f"{turn}-{place:02}"))
        for turn, replica in enumerate(replicas)
        for place, number in zip(places, places if turn else reversed(places), strict=True)
    ]
    answers = await asyncio.gather(*posts)
    assert {answer.status for answer in answers} == {404}
    rows = await replicas[0].service.pool.fetch("SELECT calls FROM callgate.unknown_numbers")
    assert [row["calls"] for row in rows] == [2] * 60


async def test_the_inbox_is_bounded_and_keeps_what_was_ignored(callgate: Replica) -> None:
    pool = callgate.service.pool
    await callgate.post(message("pn-ignored", "call-1"))
    await callgate.api("PUT", "/unknown-numbers/pn-ignored/ignore")
    await pool.execute(
        "INSERT INTO callgate.unknown_numbers (vapi_phone_number_id, last_seen_at) "
        "SELECT 'old-' || n, now() - n * interval '1 second' FROM generate_series(1, 10000) n"
    )
    looking = await pool.fetchval(
        "SELECT 'pn-' || n FROM generate_series(1, 10000) n WHERE hashtext('pn-' || n) % 100 = 0"
    )
    await callgate.post(message(looking, "call-2"))
    assert await pool.fetchval("SELECT count(*) FROM callgate.unknown_numbers") == 10_001
    left = await pool.fetch("SELECT vapi_phone_number_id AS id FROM callgate.unknown_numbers")
    assert {looking, "pn-ignored", "old-9999"} <= {row["id"] for row in left}
    assert "old-10000" not in {row["id"] for row in left}
