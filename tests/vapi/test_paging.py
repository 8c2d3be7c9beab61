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
from service.vapi.client import VapiClient
from service.vapi.elements import sort_out
from service.vapi.errors import VapiUnavailableError
from service.vapi.pages import PhoneNumberPage
from service.vapi.paging import MAX_PAGE, PageWalk, Walk
from service.vapi.resources import PhoneNumberView

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
    assert [len(page.views) for page in pages] == [1000, 999, 501]
    assert {view.id for page in pages for view in page.views} == made
    assert [request.path for request in vapi.requests()] == ["/assistant"] * 4


async def test_shorter_pages_than_asked_for_are_not_the_end(
    vapi: SandboxVapi, client: VapiClient
) -> None:
    made = {vapi.add_assistant(name=f"A {place}")["id"] for place in range(250)}
    vapi.fail("GET /assistant", most=100)
    found = [view.id async for page in client.list_assistants() for view in page.views]
    assert (len(found), set(found)) == (250, made)


async def test_a_list_that_exceeds_the_limit_comes_in_smaller_pages(
    vapi: SandboxVapi, client: VapiClient
) -> None:
    """A call holds its transcript: a thousand of them can be larger than any answer may be."""
    made = {vapi.add_assistant(name=f"A {place}")["id"] for place in range(120)}
    client.max_answer_bytes = 8_000
    found = {view.id async for page in client.list_assistants() for view in page.views}
    assert found == made


async def test_squads_and_workflows_are_listed_too(vapi: SandboxVapi, client: VapiClient) -> None:
    squad, workflow = vapi.add_squad(members=[{"assistantId": "a1"}]), vapi.add_workflow()
    (squads,) = [page.views async for page in client.list_squads()]
    (workflows,) = [page.views async for page in client.list_workflows()]
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
    found = [view.id async for page in client.list_assistants() for view in page.views]
    assert len(set(found)) == len(found) >= 1_001
    assert found[-1] == last


@pytest.mark.parametrize("answer", [{}, {"results": []}, "none", 7, ["a1"], [[]], [{}, None]])
async def test_what_is_no_list_is_no_answer(
    vapi: SandboxVapi, client: VapiClient, answer: object
) -> None:
    vapi.fail("GET /assistant", answer=answer)
    with pytest.raises(VapiUnavailableError, match=r"not a list|None of the"):
        _ = [page async for page in client.list_assistants()]


async def test_the_same_page_for_ever_is_no_answer(vapi: SandboxVapi, client: VapiClient) -> None:
    vapi.fail("GET /assistant", answer=[item(f"a{place}", -place) for place in range(1000)])
    seen = []
    with pytest.raises(VapiUnavailableError, match="not return the requested page"):
        seen.extend([view.id async for page in client.list_assistants() for view in page.views])
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
    cut=st.integers(2, 6),
    odd=st.lists(st.sampled_from([{}, {"id": 7}, None, [[{}]], "x"]), max_size=2),
)
def test_a_walk_ends_and_brings_each_once(
    instants: list[int], limit: int, cut: int, odd: list[object]
) -> None:
    """Vapi sends at most `cut` objects a page, and elements that are none beside them."""
    things, most = sorted(instants, reverse=True), min(limit, cut)
    rows = [(at, item(f"a{place}", at)) for place, at in enumerate(things)]
    walk, found, asked, until, strict = Walk(limit), [], 0, 1, False
    while walk.query is not None:
        asked += 1
        assert asked <= 2 * len(things) + 3
        fitting = [row for at, row in rows if at < until or (at == until and not strict)]
        page = fitting[:most]
        found += [row["id"] for row in walk.take(sort_out([*page, *odd] if page else []))]
        if walk.until is not None:
            until = round(walk.until.timestamp() * 1000) - NEWEST
        strict = "createdAtLt" in (walk.query or "")
    assert len(set(found)) == len(found)
    if all(things.count(at) < most for at in things):
        assert found == [row["id"] for _, row in rows]


def test_the_first_page_asks_for_as_many_as_there_may_be() -> None:
    assert Walk().query == "limit=1000"
    assert (MAX_PAGE, PageWalk().limit) == (1000, 1000)


@given(
    count=st.integers(0, 60),
    cut=st.integers(1, 30),
    told=st.sampled_from(["total", "next", "both", "nothing"]),
    by_limit=st.booleans(),
    malformed=st.integers(0, 2),
)
def test_numbered_pages_are_counted_by_what_came(
    count: int, cut: int, told: str, by_limit: bool, malformed: int
) -> None:
    """Vapi cuts pages to `cut`, and begins them by the query's limit or by its own."""
    walk, found, asked = PageWalk(25), 0, 0
    while walk.page is not None:
        asked += 1
        assert asked <= count + 3
        size = min(walk.limit, cut)
        start = (walk.page - 1) * (walk.limit if by_limit else size)
        shown = range(count)[start : start + size]
        broken = min(malformed if walk.page == 1 else 0, max(len(shown) - 1, 0))
        views = tuple(PhoneNumberView({"id": f"n{place}"}) for place in shown[broken:])
        total = count if told in ("total", "both") else None
        more = start + len(shown) < count if told in ("next", "both") else None
        found += len(walk.take(PhoneNumberPage(views, broken, total, more)))
    assert found + walk.malformed == count
    assert walk.gap is None


def page_of(*ids: str, total: int | None = None, more: bool | None = None) -> PhoneNumberPage:
    return PhoneNumberPage(tuple(PhoneNumberView({"id": one}) for one in ids), 0, total, more)


@pytest.mark.parametrize(
    ("pages", "gap"),
    [
        ([page_of("a", "b", total=3), page_of(total=3)], "announced 3 phone numbers and listed 2"),
        ([page_of("a", total=5, more=False)], "announced 5 phone numbers and listed 1"),
        ([page_of("a", more=True), page_of(more=True)], "announced more"),
        ([page_of("a", total=2), page_of("a", total=2)], "not return the requested page"),
        ([page_of("a", more=True), page_of("a", more=True)], "not return the requested page"),
        ([page_of("a"), page_of("a")], None),
        ([page_of("a", "b", total=1), page_of("c", total=1), page_of(total=1)], None),
        ([page_of("a", more=False)], None),
        ([page_of()], None),
    ],
)
def test_a_list_that_contradicts_itself_is_incomplete(
    pages: list[PhoneNumberPage], gap: str | None
) -> None:
    walk = PageWalk()
    for page in pages:
        assert walk.page is not None
        walk.take(page)
    assert walk.page is None
    assert (gap or "None") in str(walk.gap)
