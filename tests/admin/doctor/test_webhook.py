"""The doctor's look at the webhook URL: who answers there, and who is never shown the secret."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from service.admin.doctor import webhook
from service.admin.doctor.check import DoctorFinding
from service.domain.organization_secret import NO_ORGANIZATION
from tests.support.service import Replica
from tests.support.settings import secret_of

OURS = '{"status": 401, "code": "unauthorized", "detail": "The secret is missing or wrong."}'


@dataclass(slots=True)
class Stranger:
    """A server of another service: its answer arrives in `parts`, one by one."""

    url: str = ""
    answer: dict[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    delay: float = 0.05
    proved: str | None = None
    secrets: list[str | None] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.StreamResponse:
        self.secrets.append(request.headers.get("X-Vapi-Secret"))
        if self.proved is not None and self.secrets[-1] is not None:
            return web.Response(text=self.proved)
        if not self.parts:
            return web.Response(**self.answer)
        response = web.StreamResponse(**self.answer)
        response.enable_chunked_encoding()
        await response.prepare(request)
        for part in self.parts:
            await response.write(part.encode())
            await asyncio.sleep(self.delay)
        return response


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    found = Stranger()
    app = web.Application()
    app.router.add_post("/api/vapi/webhook", found.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/vapi/webhook"
    yield found
    await runner.cleanup()


async def examine(
    callgate: Replica, *, seconds: float = webhook.SECONDS, **given: object
) -> DoctorFinding:
    settings = callgate.service.settings.model_copy(update=given)
    async with aiohttp.ClientSession() as session:
        return await webhook.examine_webhook(settings, session, seconds)


async def test_another_secret_at_the_webhook_url(callgate: Replica) -> None:
    found = await examine(callgate, vapi_webhook_secret=SecretStr("not-the-one"))
    assert found.level == "failed"
    assert "does not accept our webhook secret" in found.detail


async def test_hmac_is_judged_by_the_refusal_alone(callgate: Replica) -> None:
    found = await examine(callgate, vapi_webhook_auth="hmac")
    assert (found.level, "as we do" in found.detail) == ("ok", True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 200, "text": "{}"}, "without a secret"),
        ({"status": 404, "text": "<html>"}, "Another server than Callgate"),
        ({"status": 401, "text": "no"}, "Another server than Callgate"),
        ({"status": 401, "text": '{"code": "no_session"}'}, "Another server than Callgate"),
        ({"status": 502, "text": "<html>bad gateway"}, "fails (status 502)"),
        ({"status": 301, "headers": {"Location": "https://x.example.net"}}, "redirects"),
    ],
)
async def test_somebody_else_at_the_webhook_url_is_not_shown_the_secret(
    callgate: Replica, stranger: Stranger, answer: dict[str, Any], words: str
) -> None:
    stranger.answer = answer
    found = await examine(callgate, vapi_webhook_url=stranger.url)
    assert found.level == "failed"
    assert words in found.detail
    assert stranger.secrets == [None]


async def test_who_refuses_as_we_do_is_asked_with_the_secret(
    callgate: Replica, stranger: Stranger
) -> None:
    stranger.answer = {"status": 401, "text": OURS}
    stranger.proved = '{"ok": true}'
    found = await examine(callgate, vapi_webhook_url=stranger.url)
    assert stranger.secrets == [None, secret_of(NO_ORGANIZATION)]
    assert (found.level, "an authenticated message" in found.detail) == ("failed", True)


async def test_an_answer_in_pieces_is_read_to_its_end(
    callgate: Replica, stranger: Stranger
) -> None:
    stranger.answer = {"status": 401}
    stranger.parts = (OURS[:1], OURS[1:30], OURS[30:])
    stranger.proved = "{}"
    found = await examine(callgate, vapi_webhook_url=stranger.url)
    assert (found.level, found.detail) == ("ok", "The webhook URL answers as ours.")


async def test_of_an_answer_without_end_only_the_beginning_is_read(
    callgate: Replica, stranger: Stranger
) -> None:
    stranger.answer = {"status": 401}
    stranger.parts = (OURS[:-1], *(" " * 2**15 for _ in range(8)))
    found = await examine(callgate, vapi_webhook_url=stranger.url)
    assert "Another server than Callgate" in found.detail


async def test_a_webhook_url_that_is_too_slow_is_called_so(
    callgate: Replica, stranger: Stranger
) -> None:
    stranger.answer = {"status": 401}
    stranger.parts, stranger.delay = (OURS[:1], OURS[1:]), 2.0
    found = await examine(callgate, seconds=0.2, vapi_webhook_url=stranger.url)
    assert (found.level, "The webhook URL is too slow" in found.detail) == ("failed", True)


async def test_nobody_at_the_webhook_url(callgate: Replica) -> None:
    found = await examine(callgate, vapi_webhook_url="http://127.0.0.1:9/api/vapi/webhook")
    assert "does not answer" in found.detail
