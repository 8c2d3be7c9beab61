"""Walking bare lists: nothing twice, nothing left out, and always an end."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from service.domain.priority import Priority
from service.sandbox.clock import to_iso
from service.sandbox.server import SandboxVapi
from service.vapi import paging
from service.vapi.client import VapiClient
from service.vapi.errors import VapiUnavailableError
from service.vapi.paging import Walk

LIMIT = 4
NEWEST = 1_767_225_600_000


@pytest.fixture
async def client(vapi: SandboxVapi) -> AsyncIterator[VapiClient]:
    async def at_once(_priority: Priority) -> None: ...

    async with aiohttp.ClientSession() as session:
        yield VapiClient(session, vapi.base_url, SecretStr(vapi.api_key), at_once)


def item(item_id: str, milliseconds: int) -> dict[str, object]:
    return {"id": item_id, "createdAt": to_iso(NEWEST + milliseconds)}


async def test_all_assistants_are_brought_by_pages(vapi: SandboxVapi, client: VapiClient) -> None:
    made = {vapi.add_assistant(name=f"A {place}")["id"] for place in range(2_500)}
    pages = [page async for page in client.list_assistants()]
    assert [len(page) for page in pages] == [1000, 999, 501]
    assert {view.id for page in pages for view in page} == made
    assert [request.path for request in vapi.requests()] == ["/assistant"] * 3


async def test_squads_and_workflows_are_listed_too(vapi: SandboxVapi, client: VapiClient) -> None:
    squad, workflow = vapi.add_squad(members=[{"assistantId": "a1"}]), vapi.add_workflow()
    (squads,) = [page async for page in client.list_squads()]
    (workflows,) = [page async for page in client.list_workflows()]
    assert [(view.id, view.assistant_ids) for view in squads] == [(squad["id"], ("a1",))]
    assert [view.id for view in workflows] == [workflow["id"]]
    assert [page async for page in client.list_assistants()] == []


async def test_many_of_one_instant_end_the_list_and_do_not_hide_older_ones(
    vapi: SandboxVapi, client: VapiClient
) -> None:
    at = to_iso(NEWEST)
    for _ in range(1_200):
        vapi.add_assistant(createdAt=at, updatedAt=at)
    older = to_iso(NEWEST - 1)
    last = vapi.add_assistant(createdAt=older, updatedAt=older)["id"]
    found = [view.id async for page in client.list_assistants() for view in page]
    assert len(set(found)) == len(found) >= 1_001
    assert found[-1] == last
    assert len(vapi.requests()) == 3


@pytest.mark.parametrize("answer", [{}, {"results": []}, "none", 7, ["a1"], [[]], [{}, None]])
async def test_what_is_no_list_is_no_answer(
    vapi: SandboxVapi, client: VapiClient, answer: object
) -> None:
    vapi.fail("GET /assistant", answer=answer)
    with pytest.raises(VapiUnavailableError, match="not a list"):
        _ = [page async for page in client.list_assistants()]


async def test_the_same_page_for_ever_is_no_answer(vapi: SandboxVapi, client: VapiClient) -> None:
    vapi.fail("GET /assistant", answer=[item(f"a{place}", -place) for place in range(1000)])
    seen = []
    with pytest.raises(VapiUnavailableError, match="not return the requested page"):
        seen.extend([view.id async for page in client.list_assistants() for view in page])
    assert len(vapi.requests()) == 2


async def test_a_full_page_without_instants_cannot_be_walked_on(
    vapi: SandboxVapi, client: VapiClient
) -> None:
    vapi.fail("GET /assistant", answer=[{"id": f"a{place}"} for place in range(1000)])
    with pytest.raises(VapiUnavailableError, match="when things were created"):
        _ = [page async for page in client.list_assistants()]


@given(
    instants=st.lists(st.integers(-30, 0), max_size=40),
    limit=st.integers(2, 6),
    odd=st.lists(st.sampled_from([{}, {"id": 7}, {"id": "x", "createdAt": "soon"}]), max_size=1),
)
def test_a_walk_ends_and_brings_each_once(
    instants: list[int], limit: int, odd: list[dict[str, object]]
) -> None:
    things = sorted(instants, reverse=True)
    rows = [(at, item(f"a{place}", at)) for place, at in enumerate(things)]
    walk, found, asked, until, strict = Walk(limit), [], 0, 1, False
    while walk.query is not None:
        asked += 1
        assert asked <= 2 * len(things) + 2
        fitting = [row for at, row in rows if at < until or (at == until and not strict)]
        page = fitting[:limit]
        found += [row["id"] for row in walk.take(page if len(page) == limit else [*page, *odd])]
        if walk.until is not None:
            until = round(walk.until.timestamp() * 1000) - NEWEST
        strict = "createdAtLt" in (walk.query or "")
    found = [item_id for item_id in found if item_id != "x"]
    assert len(set(found)) == len(found)
    if all(things.count(at) < limit for at in things):
        assert found == [row["id"] for _, row in rows]


def test_the_first_page_asks_for_as_many_as_there_may_be() -> None:
    assert Walk().query == "limit=1000"
    assert paging.MAX_PAGE == 1000
