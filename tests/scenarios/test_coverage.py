"""Every row of the coverage table, end to end: a caller dials, what is heard, what is recorded, how
long it lasts. Real seconds, real HTTP, the sandbox as Vapi.

`WRITE_COVERAGE=1 pytest tests/scenarios/test_coverage.py` puts the run's table into deploy/README.md.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from service.sandbox.calls import SandboxCall
from service.sandbox.server import SandboxVapi
from tests.support import coverage_table
from tests.support.coverage_table import Row
from tests.support.service import Replica, Start, eventually
from tests.support.settings import SECRET

BLOCKED = "We cannot take your call right now."
STAYS = 6.0
"""How long a caller stays on the line whom nothing stops."""


@pytest.fixture
async def vapi() -> AsyncIterator[SandboxVapi]:
    """A Vapi in real time: the document shows the measured seconds."""
    sandbox = SandboxVapi(time_scale=1.0)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@dataclass
class Place:
    """The replica and the sandbox of the scenarios."""

    callgate: Replica
    vapi: SandboxVapi
    rows: list[Row] = field(default_factory=list)

    async def number(
        self,
        *,
        bound: dict[str, Any] | None = None,
        owns: bool = False,
        handling: dict[str, Any] | None = None,
        **fields: Any,
    ) -> tuple[Any, str]:
        """A number of an organization without access, and the assistant made for it. `bound`: the
        fields of the assistant that answers it, None for no assistant; `owns`: it is registered."""
        assistant = self.vapi.add_assistant(**(bound or {}))["id"]
        owner = await self.callgate.add_organization(
            blocked_message=BLOCKED,
            handling=handling or {},
            assistant_ids=[assistant] if owns else [],
        )
        attached = {} if bound is None else {"assistantId": assistant}
        number_id = self.vapi.add_number(provider="vapi", **attached)["id"]
        return await self.callgate.add_number(owner, number_id, **fields), assistant

    @property
    def our_server(self) -> dict[str, Any]:
        """Our webhook, as an operator sets it at Vapi by hand."""
        url = f"{self.callgate.url}/api/vapi/webhook"
        return {"url": url, "headers": {"X-Vapi-Secret": SECRET}}

    def dial(self, number: Any, **given: Any) -> SandboxCall:
        return self.vapi.place_call(number["vapi_phone_number_id"], duration=STAYS, **given)

    async def finish(self, kind: str, setup: str, call: SandboxCall, number: Any = None) -> Row:
        """Wait for the call's end and its record; coverage must have said where it is stopped."""
        await call.settled(STAYS + 5)

        async def over() -> Any:
            found = await self.callgate.call(call.id)
            return found if found and found["ended_at"] else None

        found = await eventually(over, 10)
        stopped = found["blocked"] and call.seconds_connected < STAYS - 0.5
        place = found["gate"] if stopped else "nothing"
        if found["missed"] and stopped:
            place = "list"
        if number is not None:
            assert place == await self.promised(kind, number), (kind, setup, found)
        told = heard(call) if place != "list" else "the assistant, until the list is read"
        row = Row(kind, place, setup, told, recorded(found), call.seconds_connected)
        self.rows.append(row)
        return row

    async def promised(self, kind: str, number: Any) -> str:
        """Where coverage says that such a call of the number is stopped."""
        answer = await self.callgate.api("GET", f"/phone-numbers/{number['id']}/coverage")
        assert answer.status == 200, answer.json
        [cover] = [one for one in answer.json["calls"] if one["kind"] == kind]
        return str(cover["stopped_at"])


def heard(call: SandboxCall) -> str:
    """The sentences that the caller heard."""
    told = [f"“{sentence}”" for sentence in call.heard]
    if call.connected_at is None:
        return " ".join(told) or "nothing"
    if call.ended_reason == "customer-ended-call":
        return "the assistant, as long as the caller stays"
    return " ".join(("the first moment of the assistant", *(f"then {one}" for one in told)))


def recorded(found: Any) -> str:
    """The record of a call."""
    if found["organization_id"] is None:
        return f"not blocked, `{found['reason']}`"
    how = f"gate `{found['gate']}`" + (", missed" if found["missed"] else "")
    if hangup := found["hangup"]:
        assert hangup["state"] == "confirmed"
        how += ", hung up" if hangup["attempts"] else ", over without a hang-up"
    return f"blocked, `{found['reason']}`, {how}"


async def ring(place: Place) -> None:
    number, _ = await place.number(bound={}, handling={"ring_gate": True})
    row = await place.finish("inbound", "`ring_gate`", place.dial(number), number)
    assert (row.stopped_at, row.heard, row.seconds) == ("ring", f"“{BLOCKED}”", 0)


async def request_gate(place: Place) -> None:
    number, _ = await place.number(bound={}, gate="request")
    row = await place.finish("inbound", "gate `request`", place.dial(number), number)
    assert (row.stopped_at, row.heard, row.seconds) == ("request", f"“{BLOCKED}”", 0)


async def asked_anyway(place: Place) -> None:
    number, _ = await place.number()
    setup = "gate `event`, nothing attached to the number"
    row = await place.finish("inbound", setup, place.dial(number), number)
    assert (row.stopped_at, row.heard, row.seconds) == ("request", f"“{BLOCKED}”", 0)


async def event_gate(place: Place) -> None:
    number, _ = await place.number(bound={})
    setup = "gate `event`, an assistant attached"
    row = await place.finish("inbound", setup, place.dial(number), number)
    assert (row.stopped_at, row.heard) == ("event", "the first moment of the assistant")
    assert row.seconds < 3
    assert "hung up" in row.recorded


async def goodbye(place: Place) -> None:
    number, _ = await place.number(bound={}, handling={"goodbye": True})
    setup = "the same with `goodbye`"
    row = await place.finish("inbound", setup, place.dial(number), number)
    assert row.stopped_at == "event"
    assert row.heard == f"the first moment of the assistant then “{BLOCKED}”"
    assert len(BLOCKED) / 15 < row.seconds < len(BLOCKED) / 15 + 2


async def own_server_registered(place: Place) -> None:
    number, _ = await place.number(bound={"server": {"url": "https://theirs.example"}}, owns=True)
    setup = "the assistant has a server of its own and is registered"
    row = await place.finish("inbound", setup, place.dial(number), number)
    assert row.stopped_at == "event"
    assert row.seconds < 3


async def own_server_unknown(place: Place) -> None:
    # A port without a listener: a name would be looked up on the network.
    number, _ = await place.number(bound={"server": {"url": "http://127.0.0.1:9/theirs"}})
    setup = "the same, not registered (list read every second here, after 1 s)"
    row = await place.finish("inbound", setup, place.dial(number), number)
    assert row.stopped_at == "list"
    assert "missed" in row.recorded


async def no_control(place: Place) -> None:
    number, _ = await place.number(bound={"monitorPlan": {"controlEnabled": False}})
    setup = "`controlEnabled` is off"
    row = await place.finish("inbound", setup, place.dial(number), number)
    assert row.stopped_at == "nothing"
    assert row.seconds >= STAYS


async def outbound(place: Place) -> None:
    number, assistant = await place.number(bound={})
    call = place.dial(number, type="outboundPhoneCall", assistant_id=assistant)
    row = await place.finish("outbound", "started by Vapi's API", call, number)
    assert row.stopped_at == "event"
    assert row.seconds < 3


async def web(place: Place) -> None:
    number, assistant = await place.number(bound={"server": place.our_server}, owns=True)
    call = place.vapi.place_call(type="webCall", assistant_id=assistant, duration=STAYS)
    row = await place.finish("web", "the assistant is registered and posts to us", call, number)
    assert row.stopped_at == "event"
    assert row.seconds < 3


async def web_unregistered(place: Place) -> None:
    number, assistant = await place.number(bound={"server": place.our_server})
    call = place.vapi.place_call(type="webCall", assistant_id=assistant, duration=STAYS)
    row = await place.finish("web", "the assistant is not registered", call, number)
    assert row.stopped_at == "nothing"
    assert row.seconds >= STAYS


async def campaign(place: Place) -> None:
    number, _ = await place.number(bound={})
    asked = {"type": "campaign.predial", "phoneNumber": {"id": number["vapi_phone_number_id"]}}
    answer = await place.callgate.post({"message": asked})
    assert (answer.status, answer.json) == (200, {"eligible": False})
    assert await place.promised("campaign", number) == "predial"
    setup = "the campaign asks us before it dials"
    place.rows.append(Row("campaign", "predial", setup, "nothing", "nothing: no call", 0))


SCENARIOS: tuple[Callable[[Place], Awaitable[None]], ...] = (
    ring,
    request_gate,
    asked_anyway,
    event_gate,
    goodbye,
    own_server_registered,
    own_server_unknown,
    no_control,
    outbound,
    web,
    web_unregistered,
    campaign,
)


async def test_the_operators_coverage_table_is_what_happens(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_call_watch_interval=1)
    callgate.service.access.watch.grace = timedelta(seconds=1)
    places = [Place(callgate, vapi) for _ in SCENARIOS]
    await asyncio.gather(
        *(scenario(place) for scenario, place in zip(SCENARIOS, places, strict=True))
    )
    rows = [row for place in places for row in place.rows]
    print(coverage_table.render(rows))
    if os.environ.get("WRITE_COVERAGE"):
        coverage_table.write(rows)
    told = [row.without_seconds for row in coverage_table.read()]
    assert told == [row.without_seconds for row in rows]


async def test_a_paying_organization_s_web_call_and_campaign_pass(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    place = Place(await start_replica(), vapi)
    number, assistant = await place.number(bound={"server": place.our_server}, owns=True)
    plan = {"code": "pro", "status": "active"}
    await place.callgate.api("PUT", f"/organizations/{number['organization_id']}/plan", plan)
    call = vapi.place_call(type="webCall", assistant_id=assistant, duration=1.5)
    await call.settled()
    assert call.ended_reason == "customer-ended-call"
    found = await place.callgate.call(call.id)
    assert (found["organization_id"], found["blocked"]) == (number["organization_id"], False)
    asked = {"type": "campaign.predial", "phoneNumber": {"id": number["vapi_phone_number_id"]}}
    assert (await place.callgate.post({"message": asked})).json == {"eligible": True}
