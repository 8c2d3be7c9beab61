"""Every figure of the overview leads to a list with as many rows."""

import re
from html import unescape
from typing import Any
from uuid import UUID

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, eventually
from tests.support.visiting import rows_of, visiting

PLAN = {"code": "pro", "status": "active"}
FIGURE = re.compile(r'<a href="/admin(/[^"]+)">(?:<[^>]+>)?([\d,]+)(?:</[^>]+>)?</a>')
REASON = re.compile(r'<a href="/admin(/calls\?[^"]+)">[^<]+</a>: ([\d,]+)')
STATE = re.compile(
    r'<a href="(?:/admin)?(/numbers\?[^"]+)"><span[^>]*>.*?</span></a> ([\d,]+)', re.DOTALL
)


async def seed(callgate: Replica, vapi: SandboxVapi) -> None:
    """Calls that were blocked today and long ago, one under way, one over; numbers in two states."""
    for name, plan in (("Bakery", None), ("Cafe", PLAN), ("Diner", PLAN)):
        owner = await callgate.add_organization(name)
        if plan:
            await callgate.api("PUT", f"/organizations/{owner}/plan", plan)
        number = vapi.add_number(provider="vapi")["id"]
        await callgate.add_number(owner, number)
        for _ in range(2):
            message: Any = vapi.live_call(number)
            assert (await callgate.post(message)).status == (200 if plan else 403)
        if name == "Diner":
            vapi.hang_up(message["message"]["call"]["id"])
            end = {**message["message"], "status": "ended", "endedReason": "customer-ended-call"}
            assert (await callgate.post({"message": end})).status == 200
    trial = {"ends_at": "2999-01-01T00:00:00Z"}
    await callgate.api("PUT", f"/organizations/{owner}/trial", trial)
    await callgate.service.pool.execute(
        "UPDATE callgate.trials SET ends_at = now() + interval '3 days'"
    )
    await callgate.service.pool.execute(
        "UPDATE callgate.calls SET created_at = created_at - interval '3 days' WHERE id IN "
        "(SELECT id FROM callgate.calls WHERE blocked ORDER BY created_at LIMIT 1)"
    )
    await callgate.service.pool.execute(
        "UPDATE callgate.webhook_states SET state = 'failed' WHERE phone_number_id IN "
        "(SELECT id FROM callgate.phone_numbers ORDER BY id LIMIT 1)"
    )


async def test_every_figure_of_the_overview_has_its_rows(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    await seed(callgate, vapi)
    async with visiting(callgate) as ada:

        async def shown() -> Any:
            body = (await ada.get("")).body
            return body if ">3</a>" in body else None

        body = await eventually(shown)
        followed = [*FIGURE.findall(body), *REASON.findall(body), *STATE.findall(body)]
        assert {path.partition("?")[0] for path, _ in followed} == {
            "/calls",
            "/numbers",
            "/organizations",
        }
        assert len(followed) >= 8
        for path, figure in followed:
            assert await rows_of(ada, path) == int(figure.replace(",", "")), (path, figure)
        # Not vacuous: the figures differ from those of the lists without filters.
        assert await rows_of(ada, "/calls?blocked=true") == 2
        assert ("/calls?live=true", "3") in followed


TOTAL = re.compile(r'id="total">([\d,]+) ')


async def test_every_list_says_how_many_rows_it_has(callgate: Replica, vapi: SandboxVapi) -> None:
    await seed(callgate, vapi)
    lists = (
        "/calls",
        "/calls?blocked=true",
        "/calls?live=true",
        "/numbers",
        "/numbers?query=cafe",
        "/organizations",
        "/organizations?query=e&limit=1",
        "/organizations?allowed=false",
        "/audit",
        "/audit?action=plan.put&limit=1",
        "/audit?source=api&limit=2",
    )
    async with visiting(callgate) as ada:
        for path in lists:
            shown = await ada.get(path)
            told = TOTAL.search(shown.body)
            assert told is not None, (path, shown.text)
            assert int(told[1].replace(",", "")) == await rows_of(ada, path) > 0, path


DECIDED = re.compile(
    r'<tr><th scope="row">([^<]+)</th>(?:<td class="num"><a href="/admin(/calls\?[^"]+)">'
    r"([\d,]+)</a></td>)"
    r'<td class="num"><a href="/admin(/calls\?[^"]+)">([\d,]+)</a></td></tr>'
)


async def test_what_decided_the_calls_of_a_day_has_its_rows(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """Denied by default, by an override, allowed by a plan; a call of an unregistered number."""
    for name, part, body in (
        ("Bakery", None, None),
        ("Cafe", "plan", PLAN),
        ("Diner", "override", {"effect": "deny", "reason": "Unpaid"}),
        ("Deli", "plan", {"code": "pro", "status": "unpaid"}),
    ):
        owner = await callgate.add_organization(name)
        if part:
            await callgate.api("PUT", f"/organizations/{owner}/{part}", body)
        number = vapi.add_number(provider="vapi")["id"]
        await callgate.add_number(owner, number)
        await callgate.post(vapi.live_call(number))
    await callgate.post(vapi.live_call(vapi.add_number(provider="vapi")["id"]))
    async with visiting(callgate) as ada:

        async def shown() -> Any:
            found = {
                title: (place, calls, denied, blocked)
                for title, place, calls, denied, blocked in DECIDED.findall(
                    (await ada.get("/policies")).body
                )
            }
            return found if sum(int(one[1]) for one in found.values()) == 5 else None

        found = await eventually(shown)
        counts = {title: (one[1], one[3]) for title, one in found.items()}
        assert counts["Plan"] == ("1", "0")
        assert counts["Admin override"] == ("1", "1")
        assert counts["Trial"] == ("0", "0")
        assert counts["No policy: the default"][1] == "2"
        for place, calls, denied, blocked in found.values():
            assert await rows_of(ada, place) == int(calls), place
            assert await rows_of(ada, denied) == int(blocked), denied


async def test_the_counts_of_conditions_have_their_rows(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """On the overview and in the doctor: hang-ups, missing numbers, numbers without an answer."""
    owner = await callgate.add_organization("Bakery")
    numbers = [await callgate.add_number(owner, one) for one in vapi.add_numbers(4)]
    for number in numbers[:3]:
        await callgate.post(vapi.live_call(number["vapi_phone_number_id"]))
    vapi.numbers.remove(numbers[3]["vapi_phone_number_id"])
    await callgate.api("POST", f"/phone-numbers/{numbers[3]['id']}/sync")
    await callgate.service.background.stop("hangup_worker", "hangup_sweep")
    pool = callgate.service.pool

    async def recorded() -> bool:
        return bool(await pool.fetchval("SELECT count(*) FROM callgate.calls WHERE blocked") == 3)

    await eventually(recorded)
    await pool.execute(
        "UPDATE callgate.calls SET hangup_state = 'failed', created_at = now() - "
        "CASE WHEN phone_number_id = $1 THEN interval '3 days' ELSE interval '0' END",
        UUID(numbers[0]["id"]),
    )
    async with visiting(callgate) as ada:
        for page in ((await ada.get("")).body, (await ada.post("/health")).body):
            for wanted, rows in (
                ("/calls?hangup=failed", 2),
                ("/numbers?sync_state=missing", 1),
                ("/numbers?unanswered=true", 3),
            ):
                link = re.search(rf'href="/admin({re.escape(wanted)}[^"]*)"', page)
                assert link is not None, (wanted, page)
                assert await rows_of(ada, link[1]) == rows, link[1]
                before = page[max(0, link.start() - 900) : link.start()]
                assert re.search(rf"\b{rows} (number|call)", before), (wanted, before)


async def test_a_hang_up_in_progress_is_not_said_to_be_confirmed(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization("Bakery")
    vapi_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, vapi_id)
    await callgate.service.background.stop("hangup_worker", "hangup_sweep")
    for _ in range(2):
        assert (await callgate.post(vapi.live_call(vapi_id))).status == 403
    pool = callgate.service.pool
    pending = "UPDATE callgate.calls SET hangup_state = 'pending' WHERE blocked RETURNING id"

    async def recorded() -> bool:
        return len(await pool.fetch(pending)) == 2

    await eventually(recorded)
    async with visiting(callgate) as ada:
        page = (await ada.post("/health")).body
        assert "is confirmed" not in page
        found = re.search(r'progress for (\d) calls\. <a href="/admin(/calls\?hangup=[^"]*)"', page)
        assert found is not None
        assert await rows_of(ada, unescape(found[2])) == int(found[1]) == 2
