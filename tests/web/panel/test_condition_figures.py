"""Every figure of a condition, on the overview and in the doctor, leads to a list with as many rows."""

import re
from collections.abc import Iterator
from html import unescape
from uuid import UUID

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.calls import new_call, record
from tests.support.relayed import add_messages, park
from tests.support.service import Replica, Start
from tests.support.visiting import rows_of, visiting

PLAN = {"code": "pro", "status": "active"}
LISTS = ("/calls", "/numbers", "/organizations", "/unknown-numbers")
NOTICE = re.compile(
    r'<div class="notice[^"]*"><div><p>([^<]*)</p>.*?<a href="/admin([^"]*)">', re.DOTALL
)
FINDING = re.compile(r'<td>([^<]*)<br><strong>[^<]*</strong> <a href="/admin([^"]*)">')
FIGURE = re.compile(r"\b([\d,]+)(?: (?:numbers?|calls?))?(?: that are not registered)?\.$")
LINES = tuple(f"+1202555{place:04}" for place in range(9))

AGED = """
UPDATE callgate.calls SET created_at = now() - $2::text::interval, status = 'ended', ended_at = now(),
    ended_reason = $3 WHERE vapi_call_id = $1
"""
CLAIM = """
INSERT INTO callgate.call_claims (vapi_call_id, organization_id, gate, blocked, decision, created_at)
VALUES ($1, gen_random_uuid(), 'event', true, '{}', now() - $2::text::interval)
"""
FAILED = "assistant-request-returned-invalid-assistant"


def figures_of(page: str) -> Iterator[tuple[str, int]]:
    """The lists that conditions on a page lead to, and the figures that they say."""
    for text, path in (*NOTICE.findall(page), *FINDING.findall(page)):
        figure = FIGURE.search(unescape(text))
        if path.startswith(LISTS) and figure is not None:
            yield unescape(path), int(figure[1].replace(",", ""))


async def set_state(pool: Pool, number: str, values: str) -> None:
    await pool.execute(
        f"UPDATE callgate.webhook_states SET {values} WHERE phone_number_id = $1",
        UUID(number),
    )


async def seed(callgate: Replica, vapi: SandboxVapi) -> list[str]:
    """Nine numbers: each condition concerns some, and some more look alike."""
    owner = await callgate.add_organization("Bakery")
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    given = [vapi.add_number(provider="vapi", number=line)["id"] for line in LINES]
    ids = [(await callgate.add_number(owner, one))["id"] for one in given]
    pool = callgate.service.pool
    await set_state(pool, ids[0], "state = 'drifted', problem = 'fight'")
    await set_state(pool, ids[1], "state = 'drifted'")
    await pool.execute(
        "UPDATE callgate.phone_numbers SET created_at = now() - interval '8 days' "
        "WHERE id = ANY($1::uuid[])",
        [*ids[:4], ids[8]],
    )
    await set_state(pool, ids[4], "state = 'failed'")
    await pool.execute(
        "UPDATE callgate.phone_numbers SET gate = 'request' WHERE id = ANY($1::uuid[])", ids[4:6]
    )
    await set_state(pool, ids[6], "state = 'missing', successor_vapi_id = 'elsewhere'")
    await set_state(pool, ids[7], "state = 'missing'")
    await set_state(pool, ids[8], """original = '{"server": null, "hidden_secret": true}'""")
    for place, (number, age, reason) in enumerate(
        (
            (0, "1 hour", FAILED),
            (0, "2 hours", FAILED),
            (1, "1 hour", "customer-ended-call"),
            (1, "2 hours", FAILED),
            (2, "3 days", FAILED),
            (3, "2 days", "customer-ended-call"),
        )
    ):
        call = new_call(
            f"call-{place}", organization_id=UUID(owner), phone_number_id=UUID(ids[number])
        )
        await record(pool, call)
        await pool.execute(AGED, call.vapi_call_id, age, reason)
    # A claim of today concerns a call of the day before yesterday, and one of last week another.
    await pool.execute(CLAIM, "call-5", "1 hour")
    await pool.execute(CLAIM, "call-0", "7 days")
    for name, url in (
        ("Café", "https://a.example.com"),
        ("Deli", "https://b.example.com"),
        ("Off", None),
    ):
        parked = await callgate.add_organization(name, forward_url=url)
        await park(pool, parked)
        await add_messages(pool, parked, 3)
    return ids


async def test_every_figure_of_a_condition_has_its_rows(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0, callgate_call_watch_interval=0)
    await seed(callgate, vapi)
    callgate.service.use_cases.conditions.stored.holes_read_at = float("-inf")
    await callgate.service.use_cases.conditions.read()
    async with visiting(callgate) as ada:
        pages = ((await ada.get("")).body, (await ada.post("/health")).body)
        found = {one for page in pages for one in figures_of(page)}
        for path, figure in sorted(found):
            assert await rows_of(ada, path) == figure, path
        told = dict(found)
        wanted = {
            "numbers_fought": 1,
            "numbers_silent": 1,
            "numbers_moved": 1,
            "calls_unanswered": 1,
            "former_secrets_hidden": 1,
            "still_bound": 1,
        }
        for name, figure in wanted.items():
            path = f"?condition={name}"
            assert told[f"/numbers{path}"] == figure, (name, told)
            listed = (await callgate.api("GET", f"/phone-numbers{path}")).json["items"]
            assert len(listed) == figure, name
        claimed = [path for path in told if path.startswith("/calls?claimed_since=")]
        assert [told[path] for path in claimed] == [1]
        listed = (await callgate.api("GET", claimed[0])).json["items"]
        assert [one["vapi_call_id"] for one in listed] == ["call-5"]
        assert told["/organizations?relay=parked"] == 2
        assert "with 6 messages waiting" in pages[0]
        listed = (await callgate.api("GET", "/organizations?relay=parked")).json["items"]
        assert [one["name"] for one in listed] == ["Café", "Deli"]
        assert told["/numbers"] == len(LINES)  # the call watch is off: all are concerned
