"""Faults on demand: each kind, when it applies, and the state afterwards."""

import time

import aiohttp
import pytest

from service.sandbox.faults import Faults, SandboxFault, parse_fault
from service.sandbox.server import SandboxVapi
from tests.support.vapi import VapiApi

BODY = {"provider": "vapi", "name": "After"}


async def test_throttling_says_when_to_come_back(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    vapi.fail_next("GET /phone-number*", times=2, status=429, retry_after=3)
    for _ in range(2):
        reply = await vapi_api.ask("GET", "/phone-number")
        assert reply.status == 429
        assert reply.headers["Retry-After"] == "3"
        assert reply.json["statusCode"] == 429
    assert (await vapi_api.ask("GET", "/phone-number")).status == 200
    assert [request.status for request in vapi.requests("GET /phone-number")] == [429, 429, 200]


@pytest.mark.parametrize("status", [400, 401, 404, 500, 502, 503])
async def test_a_status_stops_the_request_before_it_acts(
    vapi: SandboxVapi, vapi_api: VapiApi, status: int
) -> None:
    number = vapi.add_number(name="Before")
    path = f"/phone-number/{number['id']}"
    vapi.fail_next("PATCH *", status=status)
    assert (await vapi_api.ask("PATCH", path, BODY)).status == status
    assert (await vapi_api.ask("GET", path)).json["name"] == "Before"


async def test_an_answer_can_be_lost_after_the_deed(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    number = vapi.add_number(name="Before")
    path = f"/phone-number/{number['id']}"
    vapi.fail_next("PATCH *", reset=True, done=True)
    with pytest.raises(aiohttp.ClientError):
        await vapi_api.ask("PATCH", path, BODY)
    assert (await vapi_api.ask("GET", path)).json["name"] == "After"
    assert vapi.requests("PATCH *")[0].status == 0


async def test_bodies_can_be_html_or_cut(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    vapi.add_number()
    vapi.fail_next("GET *", html=True)
    page = await vapi_api.ask("GET", "/phone-number")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    vapi.fail_next("GET *", truncated=True)
    cut = await vapi_api.ask("GET", "/phone-number")
    assert cut.status == 200
    with pytest.raises(ValueError, match="unexpected end of data"):
        _ = cut.json


@pytest.mark.parametrize("answer", [[], {}, [{"id": "n2", "orgId": "o2"}], "", 0, False])
async def test_an_answer_can_be_any_json(
    vapi: SandboxVapi, vapi_api: VapiApi, answer: object
) -> None:
    number = vapi.add_number()
    fault = {"pattern": "GET /phone-number", "times": 1, "answer": answer}
    assert (await vapi_api.ask("POST", "/_sandbox/faults", fault)).status == 201
    assert (await vapi_api.ask("GET", "/_sandbox/faults")).json[0]["answer"] == answer
    reply = await vapi_api.ask("GET", "/phone-number")
    assert (reply.status, reply.json) == (200, answer)
    assert [item["id"] for item in (await vapi_api.ask("GET", "/phone-number")).json] == [
        number["id"]
    ]


async def test_a_wrong_answer_can_hide_a_deed(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    number = vapi.add_number(name="Before")
    path = f"/phone-number/{number['id']}"
    vapi.fail_next("PATCH *", answer={"id": number["id"], "name": "Before"}, done=True)
    assert (await vapi_api.ask("PATCH", path, BODY)).json["name"] == "Before"
    assert (await vapi_api.ask("GET", path)).json["name"] == "After"


async def test_a_stall_ends_in_nothing_and_latency_in_an_answer(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    # Twice: aiohttp's client retries a GET when its connection is lost.
    vapi.fail_next("GET *", times=2, stall=0.1)
    with pytest.raises(aiohttp.ClientError):
        await vapi_api.ask("GET", "/phone-number")
    vapi.fail_next("GET *", latency=0.1)
    began = time.monotonic()
    assert (await vapi_api.ask("GET", "/phone-number")).status == 200
    assert time.monotonic() - began >= 0.1


async def test_a_lie_answers_200_and_ends_nothing(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    call_id = vapi.live_call(vapi.add_number()["id"])["message"]["call"]["id"]
    vapi.fail_next("POST /*/control", lie=True)
    path = f"/{call_id}/control"
    assert (await vapi_api.ask("POST", path, {"type": "end-call"})).status == 200
    assert vapi.calls[call_id].live
    assert vapi.hangups == []
    assert (await vapi_api.ask("POST", path, {"type": "end-call"})).status == 200
    assert not vapi.calls[call_id].live


async def test_a_stale_read_answers_what_was_before(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    number = vapi.add_number(name="Before")
    path = f"/phone-number/{number['id']}"
    await vapi_api.ask("PATCH", path, BODY)
    vapi.fail("GET *", stale=True)
    assert (await vapi_api.ask("GET", path)).json["name"] == "Before"
    assert (await vapi_api.ask("GET", "/phone-number")).json[0]["name"] == "Before"
    vapi.faults.clear()
    assert (await vapi_api.ask("GET", path)).json["name"] == "After"


async def test_every_nth_request_is_dropped(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    vapi.fail("GET *", every=3, status=503)
    statuses = [(await vapi_api.ask("GET", "/phone-number")).status for _ in range(6)]
    assert statuses == [200, 200, 503, 200, 200, 503]


async def test_down_and_up_on_the_same_port(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    number = vapi.add_number()
    path, before = f"/phone-number/{number['id']}", vapi.base_url
    assert (await vapi_api.ask("GET", path)).status == 200
    await vapi.down()
    for _ in range(2):
        with pytest.raises(aiohttp.ClientError):
            await vapi_api.ask("GET", path)
    await vapi.up()
    assert vapi.base_url == before
    assert (await vapi_api.ask("GET", path)).status == 200


async def test_a_taken_port_is_said_and_leaves_nothing_open(vapi: SandboxVapi) -> None:
    second = SandboxVapi()
    with pytest.raises(OSError, match="address already in use"):
        await second.start(port=vapi.port)
    assert second.runner is None


async def test_the_log_keeps_no_secret(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    number = vapi.add_number()
    server = {"url": "https://gate.example.com/", "headers": {"X-Vapi-Secret": "hush hush"}}
    body = {"provider": "vapi", "server": server}
    await vapi_api.ask("PATCH", f"/phone-number/{number['id']}", body)
    logged = repr(vapi.requests())
    assert "PATCH" in logged
    assert "hush hush" not in logged
    assert vapi.api_key not in logged


def test_the_first_rule_that_strikes_acts_and_spent_ones_go() -> None:
    faults = Faults()
    faults.add(SandboxFault("PATCH *", times=1, status=500))
    faults.add(SandboxFault("/phone-number/*", status=503))
    struck = [faults.strike("PATCH", "/phone-number/1") for _ in range(2)]
    assert [fault.status if fault else None for fault in struck] == [500, 503]
    assert faults.strike("GET", "/call/1") is None
    assert [rule["status"] for rule in faults.describe()] == [503]


async def test_lists_can_be_cut_spoiled_and_fail_in_the_middle(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    ids = vapi.add_numbers(5)
    vapi.fail("GET /v2/phone-number", skip=1, times=1, status=502)
    vapi.fail("GET /v2/phone-number", most=2, insert=(None, {"id": 7}), total=9)
    path = "/v2/phone-number?limit=1000&sortOrder=ASC&page="
    pages = [await vapi_api.ask("GET", f"{path}{page}") for page in (1, 2, 2)]
    assert [page.status for page in pages] == [200, 502, 200]
    first, last = pages[0].json, pages[2].json
    assert [item and item["id"] for item in first["results"]] == [ids[0], None, 7, ids[1]]
    assert first["metadata"]["totalItems"] == 9
    assert last["results"][0]["id"] == ids[2]
    vapi.faults.clear()
    vapi.fail("GET /phone-number", most=3)
    assert len((await vapi_api.ask("GET", "/phone-number?limit=5")).json) == 3


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"pattern": "GET *", "insert": "x"},
        {"pattern": "GET *", "most": "3"},
        {"pattern": 7},
        {"pattern": "GET *", "color": "red"},
        {"pattern": "GET *", "status": "500"},
        {"pattern": "GET *", "status": 99},
        {"pattern": "GET *", "stall": True},
        {"pattern": "GET *", "reset": 1},
        {"pattern": "GET *", "answer": None},
    ],
)
def test_a_rule_that_says_nothing_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_fault(data)
