"""The relay in the panel: its state, its messages, and what admins do about them."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urlencode
from uuid import UUID

import pytest

from service.store.pool import Pool
from tests.support.calls import new_call, record
from tests.support.relayed import add_messages, park
from tests.support.service import Replica, Start
from tests.support.visiting import Shown, rows_of, visiting

URL = "https://bakery.example.com/hook"
FACT = re.compile(r'<dt>([^<]*)</dt><dd><a href="/admin([^"]*)">([\d,]+)</a>')
LINK = re.compile(r'<a href="/admin([^"]*)">(\d+) ([a-z ]+)</a>')
RETURNED = "SELECT count(*) FROM callgate.relay_messages WHERE done_at IS NULL"
BEFORE = "The period must not end before it begins."


@pytest.fixture
async def owner(callgate: Replica, pool: Pool) -> str:
    """A client with a parked server and messages in every state; another one has some, too."""
    found = await callgate.add_organization("Bakery", forward_url=URL)
    await park(pool, found, dropped=9)
    await add_messages(pool, found, 60, call="call-a", outcome="delivered")
    await add_messages(pool, found, 3, call="call-b", ago=timedelta(hours=2))
    await add_messages(pool, found, 2, call="call-b", attempts=1, error="It answered with 503.")
    await add_messages(pool, found, 4, outcome="dropped", ago=timedelta(days=1))
    await add_messages(pool, found, 1, call="call-c", outcome="expired", ago=timedelta(days=1))
    other = await callgate.add_organization("Florist", forward_url=URL)
    await park(pool, other)
    await add_messages(pool, other, 7, call="call-a")
    return found


def version_of(page: Shown) -> dict[str, str]:
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.body))
    return {name: unescape(found[name]) for name in ("version", "seen_at")}


async def test_the_list_is_filtered_counted_and_paged(callgate: Replica, owner: str) -> None:
    path = f"/organizations/{owner}/relay"
    hour = f"{datetime.now(UTC) - timedelta(minutes=90):%Y-%m-%dT%H:%M}"
    wanted = {
        "": 70,
        "state=waiting": 5,
        "state=failed": 2,
        "state=delivered": 60,
        "state=dropped": 4,
        "state=expired": 1,
        "call=call-a": 60,
        "call=call-b": 5,
        "call=call-b&state=failed": 2,
        "call=call-a&state=waiting": 0,
        "call=other": 0,
        f"since={hour}": 62,
        f"until={hour}": 8,
        f"since={hour}&state=waiting": 2,
    }
    async with visiting(callgate, "viewer", "Vic") as vic:
        for query, count in wanted.items():
            assert await rows_of(vic, f"{path}?{query}") == count, query
            shown = await vic.get(f"{path}?{query}")
            assert count == 0 or f"{count} message{'' if count == 1 else 's'}" in shown.text, query
        assert await rows_of(vic, f"{path}?limit=7") == 70
        shown = await vic.get(f"{path}?state=perhaps")
        assert (shown.status, "invalid filters" in shown.text) == (422, True)
        assert (await vic.get(f"{path}?cursor=x")).status == 422


async def test_every_figure_leads_to_its_rows(callgate: Replica, owner: str) -> None:
    async with visiting(callgate) as ada:
        for path in (f"/organizations/{owner}", f"/organizations/{owner}/relay"):
            shown = await ada.get(path)
            assert "Parked since" in shown.text
            assert "It answered with status 503." in shown.text
            assert "9 in all" in shown.text
            figures = {term: (link, int(figure)) for term, link, figure in FACT.findall(shown.body)}
            assert {term: figure for term, (_, figure) in figures.items()} == {
                "Waiting": 5,
                "Failed, will be retried": 2,
                "Dropped, last 3 days": 4,
                "Expired": 1,
            }
            for link, figure in figures.values():
                assert await rows_of(ada, link) == figure, link
        assert await rows_of(ada, "/organizations?relay=parked") == 2
        assert await rows_of(ada, "/organizations?relay=delivering") == 0


async def test_a_call_says_what_was_relayed_of_it(
    callgate: Replica, pool: Pool, owner: str
) -> None:
    own = UUID(owner)
    await record(
        pool,
        *(new_call(name, organization_id=own) for name in ("call-a", "call-b", "call-c", "call-d")),
    )
    listed = (await callgate.api("GET", "/calls")).json["items"]
    assert {one["vapi_call_id"]: one["relay"] for one in listed} == {
        "call-a": {"delivered": 60, "waiting": 0, "failed": 0, "lost": 0},
        "call-b": {"delivered": 0, "waiting": 5, "failed": 2, "lost": 0},
        "call-c": {"delivered": 0, "waiting": 0, "failed": 0, "lost": 1},
        "call-d": None,
    }
    ids = {one["vapi_call_id"]: one["id"] for one in listed}
    one = await callgate.api("GET", f"/calls/{ids['call-b']}")
    assert one.json["relay"]["failed"] == 2
    async with visiting(callgate) as ada:
        shown = await ada.get(f"/calls/{ids['call-b']}")
        links = LINK.findall(shown.body)
        assert [(figure, text) for _, figure, text in links] == [
            ("0", "delivered"),
            ("5", "waiting"),
            ("2", "of these after a failed attempt"),
        ]
        for link, figure, _ in links:
            assert await rows_of(ada, link) == int(figure)
        assert "1 expired or dropped" in (await ada.get(f"/calls/{ids['call-c']}")).text
        assert "Relayed" not in (await ada.get(f"/calls/{ids['call-d']}")).text
        # A message leads to its call.
        listed_here = await ada.get(f"/organizations/{owner}/relay?call=call-b")
        assert f"/admin/calls/{ids['call-b']}" in listed_here.links


async def test_roles(callgate: Replica, pool: Pool, owner: str) -> None:
    path = f"/organizations/{owner}/relay"
    message = await pool.fetchval(
        "SELECT min(id) FROM callgate.relay_messages WHERE outcome = 'delivered'"
    )
    one = f"{path}/messages/{message}"
    changes = (f"{path}/resume", f"{path}/replay", f"{one}/replay", f"{path}/secret")
    async with visiting(callgate, "viewer", "Vic") as vic:
        for shown in (await vic.get(path), await vic.get(one)):
            assert shown.forms == []
            assert not [link for link in shown.links if "replay" in link or "secret" in link]
        for change in changes:
            assert (await vic.post(change, {"since": "2026-01-01T00:00"})).status == 403
    async with visiting(callgate, "support", "Sue") as sue:
        assert f"/admin{path}/secret" not in (await sue.get(path)).links
        assert (await sue.get(f"{path}/secret")).status == 403
        assert (await sue.post(f"{path}/secret")).status == 403
        assert (await sue.post(f"{one}/replay")).status == 200
        assert (await sue.post(f"{path}/replay", {"since": "2026-01-01T00:00"})).status == 200
        assert (await sue.post(f"{path}/resume")).status == 200


async def test_messages_are_replayed_once_each_and_audited(
    callgate: Replica, pool: Pool, owner: str
) -> None:
    path = f"/organizations/{owner}/relay"
    ids = dict(await pool.fetch("SELECT DISTINCT ON (outcome) outcome, id FROM callgate.relay_messages"
                                " WHERE organization_id = $1", UUID(owner)))  # fmt: skip
    async with visiting(callgate) as ada:
        one = f"{path}/messages/{ids['delivered']}"
        shown = await ada.post(f"{one}/replay")
        assert "The message is delivered again once the parked server takes a message" in shown.text
        assert "It was not changed" in (await ada.post(f"{one}/replay")).text
        assert await pool.fetchval(RETURNED + f" AND organization_id = '{owner}'") == 6
        for outcome, why in (("dropped", "Its body was deleted"), (None, "It waits")):
            shown = await ada.get(f"{path}/messages/{ids[outcome]}")
            assert "It cannot be replayed." in shown.text
            assert why in shown.text
            assert shown.forms == []
            again = await ada.post(f"{path}/messages/{ids[outcome]}/replay")
            assert "It was not changed" in again.text
        # The period says how many before it replays them.
        since = f"{datetime.now(UTC) - timedelta(minutes=90):%Y-%m-%dT%H:%M}"
        shown = await ada.get(f"{path}/replay?since={since}")
        assert "Replay 59 messages" in shown.text
        shown = await ada.post(f"{path}/replay", {"since": since})
        assert "59 messages are delivered again once the parked server takes" in shown.text
        assert "No message of this period" in (await ada.get(f"{path}/replay?since={since}")).text
        shown = await ada.post(f"{path}/replay", {"since": since})
        assert "No message of this period can be delivered again." in shown.text
        assert (await ada.post(f"{path}/replay", {"since": "yesterday"})).status == 422
        assert (await ada.get(f"{path}/replay?since=yesterday")).status == 422
        before = {"since": since, "until": "2026-01-01T00:00"}
        query = urlencode(before)
        for shown in (
            await ada.post(f"{path}/replay", before),
            await ada.get(f"{path}/replay?{query}"),
        ):
            assert shown.status == 422
            assert f'-fault" class="fault">{BEFORE}' in shown.body
            assert "No message of this period" not in shown.text
        audit = (await callgate.api("GET", "/audit")).json["items"]
        counts = [one["after"]["messages"] for one in audit if one["action"] == "relay.replayed"]
        assert counts == [0, 59, 1]
        other = await callgate.add_organization("Other")
        foreign = f"/organizations/{other}/relay/messages/{ids['delivered']}"
        assert (await ada.get(foreign)).status == 404
        assert (await ada.post(f"{foreign}/replay")).status == 404


async def test_a_replay_that_would_make_messages_drop_is_refused(
    start_replica: Start, pool: Pool
) -> None:
    callgate = await start_replica(callgate_relay_kept_messages=5)
    owner = await callgate.add_organization("Bakery", forward_url=URL)
    await park(pool, owner)
    await add_messages(pool, owner, 4, outcome="delivered")
    await add_messages(pool, owner, 2)
    path = f"/organizations/{owner}/relay"
    since = {"since": "2026-01-01T00:00:00Z"}
    refused = await callgate.api("POST", f"{path}/replay", since)
    assert (refused.status, refused.json["code"]) == (422, "replay_too_large")
    async with visiting(callgate) as ada:
        shown = await ada.post(f"{path}/replay", since)
        assert (shown.status, "Choose a shorter period" in shown.text) == (422, True)
        assert await pool.fetchval(RETURNED) == 2
        await add_messages(pool, owner, 3)
        message = await pool.fetchval(
            "SELECT max(id) FROM callgate.relay_messages WHERE outcome = 'delivered'"
        )
        shown = await ada.post(f"{path}/messages/{message}/replay")
        assert (shown.status, "would be dropped" in shown.text) == (422, True)
        assert await pool.fetchval(RETURNED) == 5


async def test_a_secret_is_shown_once_and_two_admins_do_not_replace_each_others(
    callgate: Replica, owner: str
) -> None:
    path = f"/organizations/{owner}/relay/secret"
    async with visiting(callgate) as ada:
        opened = await ada.get(path)
        assert "not created yet" in opened.text
        assert "24 hours" in opened.text
        made = await ada.post(path, version_of(opened))
        assert (made.status, "whsec_" in made.body) == (200, True)
        # The same form again: sent by another admin, or by reloading the page.
        again = await ada.post(path, version_of(opened))
        assert (again.status, "whsec_" in again.body) == (412, False)
        assert "Created a signing secret for the relay to Bakery" in again.text
        shown = await ada.get(path)
        assert "Former secret signs until" in shown.text
        for page in (path, f"/organizations/{owner}", "/audit"):
            assert "whsec_" not in (await ada.get(page)).body
        assert (await ada.post(path, version_of(shown))).status == 200
        audit = (await callgate.api("GET", "/audit")).json["items"]
        assert [one["action"] for one in audit].count("relay.secret_created") == 2


async def test_an_organization_without_a_server_says_so(callgate: Replica, pool: Pool) -> None:
    owner = await callgate.add_organization("Bakery")
    async with visiting(callgate) as ada:
        shown = await ada.get(f"/organizations/{owner}")
        assert "This organization has no server of its own." in shown.text
        assert "Resume" not in shown.text
        assert "Set its address under Edit" in (await ada.get(f"/organizations/{owner}/relay")).text
        await add_messages(pool, owner, 2)
        shown = await ada.get(f"/organizations/{owner}/relay")
        assert "2 messages wait until it has one." in shown.text
        assert "once there is an address" in shown.text
        assert await rows_of(ada, "/organizations?relay=off") == 1
