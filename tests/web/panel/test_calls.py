"""Calls in the panel: the overview, the list, a story, and the stream that resumes."""

import asyncio
import re
from dataclasses import replace
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from service.domain.decisions import CallTerms
from service.domain.people import Role
from service.sandbox.server import SandboxVapi
from service.web.panel.kit.guard import COOKIE
from tests.support.calls import new_call, record
from tests.support.service import Replica, eventually
from tests.support.visiting import Visitor, visiting


async def block(callgate: Replica, vapi: SandboxVapi, name: str = "Bakery") -> str:
    """A blocked call; its id at Vapi."""
    owner = await callgate.add_organization(name)
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number)
    message: Any = vapi.live_call(number)
    assert (await callgate.post(message)).status == 403
    return str(message["message"]["call"]["id"])


async def test_the_overview_tells_how_things_stand(callgate: Replica, vapi: SandboxVapi) -> None:
    async with visiting(callgate) as ada:
        shown = await ada.get("")
        assert (shown.status, "Nothing needs your attention" in shown.text) == (200, False), (
            shown.text
        )
        assert "Three steps to the first guarded number" in shown.text
        await block(callgate, vapi)
        shown = await ada.get("")
        assert "Neither plan nor trial : 1" in shown.text
        assert "Calls per hour (UTC): 1 call, 1 blocked." in shown.text
        assert "Show as a table" in shown.text


async def test_calls_are_listed_searched_and_told(callgate: Replica, vapi: SandboxVapi) -> None:
    async with visiting(callgate, "viewer") as ada:
        assert "No calls yet" in (await ada.get("/calls")).text
        call_id = await block(callgate, vapi, "Bakery <b>")
        for query in ("", f"?search={call_id}", "?blocked=true&reason=no_plan_or_trial&limit=1"):
            shown = await ada.get(f"/calls{query}")
            assert "Bakery <b>" in shown.text, query
            assert "Blocked Neither plan nor trial" in shown.text
        assert "No matches" in (await ada.get("/calls?blocked=false")).text
        assert (await ada.get("/calls?gate=none")).status == 422
        row = await callgate.call(call_id)

        async def confirmed() -> bool:
            state: str = (await callgate.call(call_id))["hangup"]["state"]
            return state == "confirmed"

        await eventually(confirmed)
        shown = await ada.get(f"/calls/{row['id']}")
        assert "was blocked at its first event: neither plan nor trial (Bakery <b>)." in shown.text
        assert "Vapi confirmed the end after" in shown.text
        assert "/control" not in shown.body
        for wrong in ("x", "00000000-0000-0000-0000-000000000001"):
            assert (await ada.get(f"/calls/{wrong}")).status == 404


async def test_a_call_is_shown_as_live_where_it_is_counted_as_live(callgate: Replica) -> None:
    """Not after a day without a report of its end, and not where a diversion sent it on."""
    pool = callgate.service.pool
    blocked = new_call("sent-on", allowed=False, organization_id=uuid4(), gate="request")
    elsewhere = CallTerms(divert_to={"destination": {"type": "number", "number": "+12025550147"}})
    sent_on = replace(blocked, decision=replace(blocked.decision, terms=elsewhere))
    await record(pool, new_call("new"), new_call("old"), sent_on)
    await pool.execute(
        "UPDATE callgate.calls SET created_at = now() - interval '2 days' WHERE vapi_call_id = 'old'"
    )
    async with visiting(callgate) as ada:
        for query, states in (
            ("live=true", ["Live"]),
            ("live=false", ["No end reported", "No end reported"]),
        ):
            shown = (await ada.get(f"/calls?{query}")).body
            rows = shown.partition("<tbody")[2].partition("</tbody>")[0].split("</tr>")[:-1]
            assert [re.findall(r'class="badge[^>]*>([^<]*)<', row)[-1] for row in rows] == states
        assert ">1</a>" in (await ada.get("")).body.partition("Live calls")[2][:80]


async def test_the_list_is_one_link_away_from_a_file(callgate: Replica, vapi: SandboxVapi) -> None:
    async with visiting(callgate, "viewer") as ada:
        await block(callgate, vapi, "Bakery")
        shown = await ada.get("/calls?blocked=true&limit=1")
        (link,) = [one for one in shown.links if ".csv" in one]
        file = await ada.get(link.removeprefix("/admin"))
        assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert len(file.body.splitlines()) == 2
        empty = await ada.get("/calls.csv?blocked=false")
        assert empty.body.removeprefix("\ufeff").startswith("id,vapi_call_id,")
        assert len(empty.body.splitlines()) == 1
        assert (await ada.get("/calls.csv?blocked=maybe")).status == 422
        (link,) = [one for one in (await ada.get("/audit")).links if ".csv" in one]
        assert "organization.created" in (await ada.get(link.removeprefix("/admin"))).body


@pytest.mark.parametrize(
    ("role", "finds"), [("viewer", False), ("support", False), ("admin", True)]
)
async def test_a_search_finds_callers_by_the_digits_that_are_shown(
    callgate: Replica, vapi: SandboxVapi, role: Role, finds: bool
) -> None:
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(await callgate.add_organization(), number)
    await callgate.post(vapi.live_call(number, caller="+4915112345678"))
    async with visiting(callgate, role, "Vic") as vic:
        for digits, found in (("5678", True), ("45678", finds), ("%2B4915112345678", True)):
            page = await vic.get(f"/calls?search={digits}")
            assert ("No matches" not in page.text) is found, digits
            lines = (await vic.get(f"/calls.csv?search={digits}")).body.splitlines()
            assert (len(lines) == 2) is found, digits


async def event(response: aiohttp.ClientResponse, kind: str) -> dict[str, str]:
    """The next event of a kind."""
    found: dict[str, str] = {}
    async with asyncio.timeout(10):
        async for line in response.content:
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name:
                found[name] = value
            elif found.get("event") == kind:
                return found
            else:
                found = {}
    raise AssertionError("the stream ended")


def stream(callgate: Replica, ada: Visitor, path: str = "/admin/calls/feed", **headers: str) -> Any:
    cookie = {"Cookie": f"{COOKIE}={ada.token}"}
    return callgate.session.get(f"{callgate.url}{path}", headers={**cookie, **headers})


async def test_the_stream_tells_calls_and_resumes_after_a_gap(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    async with visiting(callgate) as ada:
        async with stream(callgate, ada) as response:
            assert response.headers["Content-Type"].startswith("text/event-stream")
            await block(callgate, vapi, "First")
            first = await event(response, "call")
            assert "First" in first["data"]
            assert "Neither plan nor trial" in first["data"]
        missed = await block(callgate, vapi, "Missed")
        row = await callgate.call(missed)
        resumed = {"Last-Event-ID": first["id"]}
        async with stream(callgate, ada, **resumed) as response:
            while f'data-key="{row["id"]}"' not in (await event(response, "call"))["data"]:
                pass
        path = "/admin/calls/feed?blocked=false&after=1"
        async with stream(callgate, ada, path) as response:
            await event(response, "gone")


async def test_the_stream_wants_a_session_and_ends_with_it(callgate: Replica) -> None:
    async with callgate.session.get(
        f"{callgate.url}/admin/calls/feed", allow_redirects=False
    ) as response:
        assert response.status == 303
    async with visiting(callgate) as ada, stream(callgate, ada) as response:
        await callgate.service.pool.execute("DELETE FROM callgate.sessions")
        assert (await event(response, "end"))["event"] == "end"
        async with asyncio.timeout(5):
            await response.content.read()


async def test_the_stream_ends_with_the_role_that_it_was_opened_with(callgate: Replica) -> None:
    """It shows whole numbers of callers to admins only; its page comes back as the role allows."""
    async with visiting(callgate) as ada, stream(callgate, ada) as response:
        await callgate.service.pool.execute("UPDATE callgate.admins SET role = 'viewer'")
        assert (await event(response, "end"))["event"] == "end"
