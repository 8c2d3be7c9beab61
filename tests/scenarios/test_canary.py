"""A distinctive master secret goes through a whole life of the service, and comes out nowhere."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
import pytest

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually
from tests.support.settings import secret_of
from tests.support.vapi import Webhook
from tests.support.visiting import visiting
from tests.web.panel.test_all_pages import addresses

CANARY = "canary-master-secret-7Hq2vXzW9pLk"
PLAN = {"code": "pro", "status": "active"}
TABLES = """
SELECT format('SELECT t::text AS row FROM callgate.%I AS t', table_name) FROM information_schema.tables
WHERE table_schema = 'callgate' AND table_type = 'BASE TABLE'
"""


@dataclass
class Life:
    """A client with relay, `take_events`, a number and an assistant that carry the master by hand."""

    callgate: Replica
    vapi: SandboxVapi
    theirs: Webhook
    owner: str
    number: str
    number_id: str
    assistant: str
    seen: list[tuple[str, str]] = field(default_factory=list)

    def note(self, place: str, text: object) -> None:
        self.seen.append((place, text if isinstance(text, str) else repr(text)))

    async def post(self, message: Any, secret: str) -> Any:
        reply = await self.callgate.post(message, secret=secret)
        self.note("answer", reply.body.decode())
        return reply

    async def work_through(self) -> None:
        """Calls, refusals, sweeps and a release, with messages that repeat what Vapi knows."""
        own = secret_of(self.owner, CANARY)
        asked = self.vapi.live_call(self.number_id, kind="assistant-request")
        granted = await self.post(asked, own)
        block = granted.json["assistantOverrides"]["server"]
        assert block["headers"] == {"X-Vapi-Secret": own}
        for server in (block, {**block, "headers": {"X-Vapi-Secret": CANARY}, "secret": CANARY}):
            message = self.vapi.live_call(self.number_id)
            message["message"]["call"]["assistantOverrides"] = {"server": server}
            message["message"]["note"] = f"The operator said {CANARY}."
            for kind in ("status-update", "tool-calls", "end-of-call-report"):
                message["message"]["type"] = kind
                assert (await self.post(message, CANARY)).status == 200
        refused = self.vapi.live_call(self.number_id)
        assert (await self.post(refused, secret_of(uuid4(), CANARY))).status == 401
        assert (await self.post(refused, CANARY + "x")).status == 401
        assert (await self.post({"message": CANARY}, CANARY)).status == 400
        await self.callgate.api("POST", "/reconcile", {"dry_run": False})
        await self.callgate.service.web.uses.flush()

    async def read_everything(self) -> None:
        """Every page, list, export and row."""
        document = await self.callgate.session.get(f"{self.callgate.url}/api/openapi.json")
        for path, methods in (await document.json())["paths"].items():
            if "get" in methods:
                filled = self.fill(path.removeprefix("/api/v1"))
                reply = await self.callgate.api("GET", filled)
                self.note(f"API {filled}", reply.body.decode())
        async with visiting(self.callgate) as ada:
            await ada.post("/health")
            for place in (f"/organizations/{self.owner}", f"/numbers/{self.number}"):
                self.note(f"panel {place}", (await ada.get(place)).body)
                self.note(f"panel {place}", (await ada.get(f"{place}/edit")).body)
            for place in addresses(self.callgate, "GET"):
                if "feed" not in place and "provider" not in place:
                    self.note(f"panel {place}", (await ada.get(place)).body)
        for place in ("/metrics", "/readyz", "/healthz"):
            async with self.callgate.session.get(self.callgate.url + place) as response:
                self.note(place, await response.text())
        for row in await self.callgate.service.pool.fetch(TABLES):
            for stored in await self.callgate.service.pool.fetch(row["format"]):
                self.note(row["format"], stored["row"])

    def fill(self, path: str) -> str:
        path = re.sub(r"/organizations/{\w+}", f"/organizations/{self.owner}", path)
        path = re.sub(r"/phone-numbers/{\w+}", f"/phone-numbers/{self.number}", path)
        return re.sub(r"{\w+}", str(uuid4()), path)


@pytest.fixture
async def life(
    start_replica: Start,
    vapi: SandboxVapi,
    open_webhook: Callable[[], Any],
    capfd: pytest.CaptureFixture[str],
) -> Life:
    theirs = await open_webhook()
    callgate = await start_replica(
        vapi_webhook_secret=CANARY,
        callgate_relay_hosts="127.0.0.1",
        callgate_reconcile_interval=0,
    )
    hook = {"url": f"{callgate.url}/api/vapi/webhook", "headers": {"X-Vapi-Secret": CANARY}}
    assistant = vapi.add_assistant(server=dict(hook))["id"]
    owner = await callgate.add_organization(
        "Bakery", forward_url=theirs.url, handling={"take_events": True, "decision_metadata": True}
    )
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    number_id = vapi.add_number(provider="vapi", server=dict(hook))["id"]
    bound = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    await callgate.api("PATCH", f"/organizations/{owner}", {"assistant_ids": [assistant]})
    answering = {"answer_with": {"assistantId": vapi.add_assistant()["id"]}}
    number = await callgate.add_number(owner, number_id, **answering)
    await callgate.add_number(owner, bound)
    log = "".join(capfd.readouterr())
    assert "webhook.repaired" in log
    seen = [("log of the beginning", log)]
    return Life(callgate, vapi, theirs, owner, number["id"], number_id, assistant, seen)


async def test_the_master_comes_out_nowhere(life: Life, capfd: pytest.CaptureFixture[str]) -> None:
    await life.work_through()

    async def relayed() -> bool:
        return len(life.theirs.bodies) >= 6

    await eventually(relayed)
    await life.read_everything()
    for body, headers in zip(life.theirs.bodies, life.theirs.headers, strict=True):
        life.note("relayed", body.decode() + repr(headers))
    log = ""

    async def refusals_logged() -> bool:
        """Refusals are logged once a second."""
        nonlocal log
        log += "".join(capfd.readouterr())
        return "webhook.refused" in log

    await eventually(refusals_logged)
    life.note("log", log)
    at_vapi = [*map(dict, life.vapi.numbers), *map(dict, life.vapi.assistants)]
    life.note("Vapi", orjson.dumps(at_vapi).decode())
    places = {place for place, _ in life.seen}
    assert len(places) > 60, "it looked everywhere"
    assert [(place, text) for place, text in life.seen if CANARY in text] == []
    carried = [one["server"]["headers"] for one in at_vapi if one.get("server")]
    assert len(carried) == 3
    assert {one["X-Vapi-Secret"] for one in carried} == {secret_of(life.owner, CANARY)}
    relays = "".join(text for place, text in life.seen if place == "relayed")
    for private in ("cgo1.", "controlUrl", "listenUrl", 'headers":', "X-Vapi-Secret"):
        assert private not in relays, private
    rows = "".join(text for place, text in life.seen if place.startswith("SELECT"))
    assert "cgo1." not in rows, "no secret is stored"
