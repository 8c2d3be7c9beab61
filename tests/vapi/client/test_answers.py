"""What each answer of Vapi means to the client, and what is no answer."""

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from service.domain.priority import Priority
from service.vapi.answers import parse_retry_after
from service.vapi.client import VapiClient
from service.vapi.errors import (
    VapiError,
    VapiForbiddenError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiThrottledError,
    VapiUnauthorizedError,
    VapiUnavailableError,
)
from tests.vapi.client.helpers import KEY, NUMBER, Vapi


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, VapiUnavailableError),
        (304, VapiUnavailableError),
        (400, VapiRejectedError),
        (401, VapiUnauthorizedError),
        (403, VapiForbiddenError),
        (404, VapiNotFoundError),
        (408, VapiUnavailableError),
        (409, VapiRejectedError),
        (422, VapiRejectedError),
        (429, VapiThrottledError),
        (500, VapiUnavailableError),
        (502, VapiUnavailableError),
        (503, VapiUnavailableError),
        (599, VapiUnavailableError),
    ],
)
async def test_each_status_has_its_error_after_one_request(
    vapi: Vapi, status: int, kind: type[VapiError]
) -> None:
    vapi.answers({"message": "no"}, status, {"Location": "/elsewhere"})
    with pytest.raises(VapiError) as caught:
        await vapi.client.get_call("c1")
    assert type(caught.value) is kind
    assert len(vapi.requests) == 1


async def test_a_redirect_never_takes_the_key_along(vapi: Vapi) -> None:
    async def answer(request: web.Request) -> web.Response:
        raise web.HTTPFound("/phone-number/n2")

    vapi.answer = answer
    with pytest.raises(VapiUnavailableError):
        await vapi.client.get_phone_number("n1")
    assert len(vapi.requests) == 1


@pytest.mark.parametrize("raw", [b"<!DOCTYPE html><h1>Not found</h1>", b"\n <html>"])
async def test_a_page_of_the_network_in_front_proves_nothing_gone(vapi: Vapi, raw: bytes) -> None:
    vapi.answers(status=404, raw=raw)
    with pytest.raises(VapiUnavailableError):
        await vapi.client.get_call("c1")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"ok",
        b"<html>502</html>",
        b'{"id": "n1"',
        b"[]",
        b"null",
        b'"n1"',
        b"{}",
        b'{"id": null}',
        b'{"id": "n2"}',
        b'{"id": 1e999}',
        b'\xff{"id":"n1"}',
        b"[" * 100_000,
        b'{"id":"n1","x":NaN}',
    ],
)
async def test_an_answer_that_is_not_the_thing_asked_for_is_none(vapi: Vapi, raw: bytes) -> None:
    vapi.answers(raw=raw)
    with pytest.raises(VapiUnavailableError):
        await vapi.client.get_phone_number("n1")


async def test_ids_in_another_case_are_the_same_id(vapi: Vapi) -> None:
    vapi.answers({"id": "AB-1"})
    assert await vapi.client.get_phone_number("ab-1") == {"id": "AB-1"}


async def test_half_an_answer_is_none(vapi: Vapi) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"id": "n1"}')
        assert request.transport is not None
        request.transport.close()
        return response

    vapi.answer = answer
    with pytest.raises(VapiUnavailableError):
        await vapi.client.get_phone_number("n1")


async def test_an_endless_answer_is_given_up(vapi: Vapi) -> None:
    vapi.client.max_answer_bytes = 100_000
    vapi.answers({"id": "n1", "name": "x" * 99_000})
    assert (await vapi.client.get_phone_number("n1"))["id"] == "n1"
    vapi.answers({"id": "n1", "name": "x" * 200_000})
    with pytest.raises(VapiUnavailableError, match="too large"):
        await vapi.client.get_phone_number("n1")
    bomb = gzip.compress(json.dumps({"id": "n1", "name": "x" * 10_000_000}).encode())
    vapi.answers(raw=bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(VapiUnavailableError, match="too large"):
        await vapi.client.get_phone_number("n1")


async def test_a_stalled_server_is_given_up(vapi: Vapi) -> None:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    vapi.answer = answer
    assert (vapi.client.timeout.total, vapi.client.timeout.connect) == (10, 3)
    vapi.client.timeout = aiohttp.ClientTimeout(total=0.1)
    with pytest.raises(VapiUnavailableError, match="TimeoutError"):
        await vapi.client.get_phone_number("n1")


async def test_a_server_that_is_away_is_unavailable(unused_tcp_port: int) -> None:
    async def pace(_priority: Priority) -> None: ...

    async with aiohttp.ClientSession() as session:
        base_url = f"http://127.0.0.1:{unused_tcp_port}"
        client = VapiClient(session, base_url, SecretStr(KEY), pace)
        with pytest.raises(VapiUnavailableError) as caught:
            await client.get_call("c1")
    assert str(caught.value) == "Vapi does not answer (ClientConnectorError)."


async def test_a_refusal_names_the_fault_without_secrets(vapi: Vapi) -> None:
    vapi.answers(
        {
            "message": [
                "server.url must be https\r\n",
                f"key {KEY}",
                "header hook-secret",
                "x" * 999,
            ],
            "error": "Bad Request",
            "statusCode": 400,
        },
        status=400,
    )
    body = {"server": {"url": "http://a", "headers": {"X-Vapi-Secret": "hook-secret", "n": 7}}}
    with pytest.raises(VapiRejectedError) as caught:
        await vapi.client.patch_phone_number("n1", body)
    text = str(caught.value)
    assert text.startswith("Vapi refuses the request (400): server.url must be https??; key [reda")
    assert KEY not in text
    assert "hook-secret" not in text
    assert len(text) < 350


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"<html>", "no reason given"),
        (b"", "no reason given"),
        (b"[1]", "no reason given"),
        (b'{"error": "Bad Request"}', "Bad Request"),
        (b'{"message": {"x": 1}}', "{'x': 1}"),
    ],
)
async def test_a_refusal_in_any_shape_is_told(vapi: Vapi, raw: bytes, reason: str) -> None:
    vapi.answers(status=400, raw=raw)
    with pytest.raises(VapiRejectedError, match=rf"\(400\): {reason}"):
        await vapi.client.get_call("c1")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("1.5", 1.5), ("99999", 300), ("soon", None), ("-1", None), ("", None)],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_the_time_to_come_back_is_passed_on(
    vapi: Vapi, value: str, seconds: float | None, status: int
) -> None:
    vapi.answers({}, status, {"Retry-After": value})
    with pytest.raises(VapiUnavailableError) as caught:
        await vapi.client.get_call("c1")
    assert caught.value.retry_after == seconds


def test_the_time_to_come_back_may_be_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    seconds = parse_retry_after(soon)
    assert seconds is not None
    assert 55 < seconds <= 60
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    # By the clock of the server that answers: this machine's may be wrong.
    made = "Wed, 21 Oct 2015 07:27:30 GMT"
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", made) == 30
    assert parse_retry_after("Wed, 21 Oct 2500 07:28:00 GMT") == 300


@given(st.one_of(st.text(max_size=60), st.from_regex(r"\w{3}, \d+ \w{3} \d+ [\d:]+ [-+\w]+")))
def test_any_time_to_come_back_is_seconds_or_nothing(value: str) -> None:
    seconds = parse_retry_after(value)
    assert seconds is None or 0 <= seconds <= 300


async def test_errors_never_hold_the_key(vapi: Vapi) -> None:
    for status in (302, 400, 401, 403, 404, 409, 429, 500):
        vapi.answers({"message": f"your key {KEY} is {KEY}"}, status, {"Location": f"/{KEY}"})
        with pytest.raises(VapiError) as caught:
            await vapi.client.get_call("c1")
        assert KEY not in f"{caught.value!r} {caught.value}"


async def test_the_budget_is_asked_before_anything_is_sent(vapi: Vapi) -> None:
    async def refuse(_priority: Priority) -> None:
        raise TimeoutError

    vapi.answers(NUMBER)
    vapi.client.pace = refuse
    with pytest.raises(TimeoutError):
        await vapi.client.get_phone_number("n1")
    assert vapi.requests == []


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0", 0.0), (None, 1.0)])
async def test_a_throttled_account_is_told_to_all_before_the_error(
    vapi: Vapi, header: str | None, seconds: float
) -> None:
    told: list[float] = []

    async def back_off(wait: float) -> None:
        told.append(wait)

    vapi.client.back_off = back_off
    vapi.answers({}, 429, {"Retry-After": header} if header else {})
    with pytest.raises(VapiThrottledError):
        await vapi.client.get_phone_number("n1")
    assert told == [seconds]
    with pytest.raises(VapiThrottledError):
        await vapi.client.get_call("n1", Priority.HANGUP)
    assert told == [seconds]
    vapi.answers({}, 503, {"Retry-After": "9"})
    with pytest.raises(VapiUnavailableError):
        await vapi.client.get_phone_number("n1")
    assert told == [seconds]
