"""Every figure that a page prints large, or as a link to a list, leads to as many rows."""

import re
from collections.abc import Iterator
from html import unescape
from uuid import UUID

from service.sandbox.server import SandboxVapi
from tests.support.relayed import add_messages
from tests.support.service import Replica, Start
from tests.support.visiting import Visitor, rows_of, visiting
from tests.web.panel.test_condition_figures import seed as seed_conditions
from tests.web.panel.test_imports import upload

LINKED = re.compile(
    r'<a href="/admin(/[^"]*)">(?:<strong>)?([\d,]+)(?: [a-z ,]+)?(?:</strong>)?</a>', re.ASCII
)
BESIDE = re.compile(r'<a href="/admin(/[^"]*)"><span class="badge[^>]*>[^<]*</span></a> ([\d,]+)')
LARGE = re.compile(r'<p class="figure">(.*?)</p>', re.DOTALL)
SUMS = ("Minutes", "Cost", "Calls")
"""Totals of usage: sums over calls by when they began, each beside its chart and its table of days."""
UNKNOWN = "pn-unknown"


def figures_of(body: str) -> Iterator[tuple[str, int]]:
    """The lists that the figures of a page lead to, with the figures."""
    for path, figure in (*LINKED.findall(body), *BESIDE.findall(body)):
        if "?" in path or path in ("/numbers", "/calls"):
            yield unescape(path), int(figure.replace(",", ""))


def unlinked(body: str) -> list[str]:
    """What is printed large without a link, by its heading."""
    found = []
    for match in LARGE.finditer(body):
        if "<a " not in match[1]:
            heading = re.findall(r"<h[23][^>]*>([^<]*)</h[23]>", body[: match.start()])
            found.append(heading[-1])
    return found


async def seed(callgate: Replica, vapi: SandboxVapi, ada: Visitor) -> tuple[str, str]:
    """Conditions of each kind, relayed messages in each state, calls of an unknown number, an import;
    returns an organization and the page of the import."""
    await seed_conditions(callgate, vapi)
    pool = callgate.service.pool
    owner = await callgate.add_organization("Relay", forward_url="https://relay.example.com")
    for count, values in (
        (3, {}),
        (2, {"attempts": 1, "error": "It answered with status 503."}),
        (4, {"outcome": "dropped"}),
        (1, {"outcome": "expired"}),
    ):
        await add_messages(pool, owner, count, **values)
    for place in range(2):
        call = {"id": f"unknown-{place}", "phoneNumberId": UNKNOWN}
        message = {"type": "status-update", "status": "in-progress", "call": call}
        assert (await callgate.post({"message": message})).status == 404
    ids = vapi.add_numbers(3)
    lines = [f"{one},Relay,Line,event" for one in ids]
    return owner, (await upload(ada, *lines, "pn-none,Nobody,,event")).url


async def test_every_figure_leads_to_as_many_rows(start_replica: Start, vapi: SandboxVapi) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0, callgate_call_watch_interval=0)
    async with visiting(callgate) as ada:
        owner, imported = await seed(callgate, vapi, ada)
        callgate.service.use_cases.conditions.stored.holes_read_at = float("-inf")
        await callgate.service.use_cases.conditions.read()
        followed = set()
        for page in (
            "",
            "/numbers",
            "/repairs",
            "/usage",
            "/policies",
            "/unknown-numbers",
            f"/organizations/{owner}",
            f"/organizations/{owner}/relay",
            imported,
        ):
            body = (await ada.get(page)).body
            if page != imported:  # rows to be added and to be changed have no list apart
                assert set(unlinked(body)) <= set(SUMS), page
            for path, figure in figures_of(body):
                assert await rows_of(ada, path) == figure, (page, path, figure)
                followed.add((path.partition("?")[0], figure > 0))
        # Not vacuous: lists of each kind, and figures other than 0.
        places = {path for path, some in followed if some}
        wanted = {"/numbers", "/calls", f"/organizations/{owner}/relay", imported}
        assert wanted <= places, followed


async def test_numbers_that_are_being_released_are_named_beside_their_count(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """No list shows them."""
    callgate = await start_replica(callgate_reconcile_interval=0)
    await callgate.service.background.stop("reconcile")
    owner = await callgate.add_organization("Bakery")
    added = [
        await callgate.add_number(owner, one, label=f"Line {one[:4]}")
        for one in vapi.add_numbers(22)
    ]
    async with visiting(callgate, "viewer") as vic:
        assert "Releasing 0" in (await vic.get("/repairs")).text
        await callgate.service.pool.execute(
            "UPDATE callgate.phone_numbers SET released_at = now() WHERE id = ANY($1::uuid[])",
            [UUID(one["id"]) for one in added[:2]],
        )
        shown = (await vic.get("/repairs")).text
        first, second = sorted(one["label"] for one in added[:2])
        assert f"Releasing 2: {first}, {second}" in shown or f"2: {second}, {first}" in shown
        await callgate.service.pool.execute("UPDATE callgate.phone_numbers SET released_at = now()")
        shown = (await vic.get("/repairs")).text
        assert "Releasing 22: Line " in shown
        assert ", and 2 more" in shown
