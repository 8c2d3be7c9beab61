"""The external policy against a real server: signed requests, verdicts, and what counts as a failure."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web

from policies import CallFacts
from policies.host.documents import load_request
from policies.host.registration import fit_policy
from policies.testing import NOW, request, samples
from service.access.policies.chain import AccessChain
from service.access.policies.external import ExternalPolicy
from service.domain.decisions import Decision

KEY = b"k" * 32
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
FULL = samples()[1]


@dataclass
class Server:
    """A server that answers as configured, and keeps what it was asked."""

    url: str = ""
    status: int = 200
    answer: Any = field(default_factory=lambda: {"effect": "deny", "reason": "credit_used_up"})
    delay: float = 0.0
    asked: list[tuple[Any, bytes]] = field(default_factory=list)

    async def receive(self, asked: web.Request) -> web.Response:
        self.asked.append((asked.headers, await asked.read()))
        await asyncio.sleep(self.delay)
        text = self.answer if isinstance(self.answer, str) else json.dumps(self.answer)
        return web.Response(status=self.status, text=text, headers={"Location": "/elsewhere"})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_post("/policy", server.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{port}/policy"
    yield server
    await runner.cleanup()


def chain_of(url: str, **given: str) -> AccessChain:
    environment = {
        "CALLGATE_POLICY_EXTERNAL_URL": url,
        "CALLGATE_POLICY_EXTERNAL_SECRET": SECRET,
        **given,
    }
    return AccessChain([fit_policy(ExternalPolicy(), "callgate", "1", environment)])


async def decide(server: Server, asked: Any = FULL) -> Decision:
    chain = chain_of(server.url)
    await chain.start()
    try:
        return await chain.decide(asked, basis="fresh")
    finally:
        await chain.stop()


async def test_a_signed_request_and_its_verdict(server: Server) -> None:
    server.answer = {
        "effect": "deny",
        "reason": "credit_used_up",
        "until": "2026-02-01T00:00:00Z",
        "note": "0.00 left",
    }
    decision = await decide(server)
    assert (decision.reason, decision.determined_by) == ("credit_used_up", "external")
    assert decision.trace[0].note == "0.00 left"
    assert decision.until is not None
    ((headers, body),) = server.asked
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    document = json.loads(body)
    assert document["type"] == "access.requested"
    assert document["request"]["plan"]["limits"]["minutes"] == 500
    assert SECRET.encode() not in body
    # What an organization uses comes from the service, not from who asks.
    assert load_request(document["request"], request()) == replace(FULL, usage=None)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 307},
        {"status": 204},
        {"delay": 5.0},
        {"answer": "not JSON"},
        {"answer": "[" * 60_000},
        {"answer": " " * 100_000},
        {"answer": {"effect": "maybe"}},
        {"answer": {"effect": "deny"}},
        {"answer": {"effect": "deny", "reason": "x", "veto": True}},
        {"answer": {"effect": "deny", "reason": "x", "until": "2026-02-01T00:00:00"}},
    ],
    ids=str,
)
async def test_what_is_no_verdict_is_a_failure(server: Server, fault: dict[str, Any]) -> None:
    for name, value in fault.items():
        setattr(server, name, value)
    (entry,) = (await decide(server)).trace
    assert (entry.effect, entry.counted_as) == ("failed", "abstain")
    assert len(server.asked) == 1, "no redirect is followed, and nothing is repeated"


async def test_a_server_that_is_away_is_a_failure_and_suspends() -> None:
    chain = chain_of("http://127.0.0.1:9/policy")
    await chain.start()
    for _ in range(6):
        (entry,) = (await chain.decide(FULL, basis="fresh")).trace
        assert entry.effect == "failed"
    await chain.stop()
    assert chain.describe()[0].health.suspended


async def test_it_sleeps_until_it_is_configured() -> None:
    chain = AccessChain([fit_policy(ExternalPolicy(), "callgate", "1", {})])
    await chain.start()
    recorded = await chain.decide(FULL, basis="fresh")
    explained = await chain.decide(replace(FULL, purpose="preview"), basis="fresh")
    await chain.stop()
    assert recorded.trace == ()
    assert [(one.effect, one.reason) for one in explained.trace] == [("skipped", "not_configured")]


@pytest.mark.parametrize(
    "given",
    [
        {"CALLGATE_POLICY_EXTERNAL_URL": "http://example.com/policy"},
        {"CALLGATE_POLICY_EXTERNAL_URL": "ftp://example.com"},
        {"CALLGATE_POLICY_EXTERNAL_SECRET": "whsec_c2hvcnQ="},
        {"CALLGATE_POLICY_EXTERNAL_SECRET": "not base64!"},
    ],
)
def test_unfit_settings_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(Exception, match="CALLGATE_POLICY_EXTERNAL"):
        chain_of("https://example.com", **given)


async def test_lists_do_not_ask_the_server(server: Server) -> None:
    listed = request(at=NOW, purpose="list", call=CallFacts("c"))
    assert (await decide(server, listed)).trace[0].effect == "abstain"
    assert server.asked == []
