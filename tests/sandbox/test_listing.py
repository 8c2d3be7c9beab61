"""Lists: pages, bounds, and speed with many numbers."""

import time
from urllib.parse import quote

import pytest

from service.sandbox import listing
from service.sandbox.server import SandboxVapi
from tests.support.vapi import VapiApi
from tests.support.vapi_spec import spec_errors


async def test_the_bare_list_has_a_hundred_newest_unless_more_are_asked_for(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    ids = vapi.add_numbers(250)
    bare = (await vapi_api.ask("GET", "/phone-number")).json
    assert [number["id"] for number in bare] == ids[:-101:-1]
    assert len((await vapi_api.ask("GET", "/phone-number?limit=1000")).json) == 250
    assert (await vapi_api.ask("GET", "/phone-number?limit=0")).json == []


async def test_the_bare_list_is_walked_by_the_oldest_seen(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    ids = set(vapi.add_numbers(250))
    seen: list[str] = []
    path = "/phone-number?limit=60"
    while page := (await vapi_api.ask("GET", path)).json:
        seen += [number["id"] for number in page]
        path = f"/phone-number?limit=60&createdAtLt={quote(page[-1]['createdAt'])}"
    assert len(seen) == 250
    assert set(seen) == ids


@pytest.mark.parametrize("kind", ["assistant", "squad", "workflow", "tool"])
async def test_every_bare_list_obeys_limits_and_instants(
    vapi: SandboxVapi, vapi_api: VapiApi, kind: str
) -> None:
    made = [getattr(vapi, f"add_{kind}")() for _ in range(5)]
    ids, at = [item["id"] for item in made], quote(made[2]["createdAt"])
    for query, expected in (
        ("limit=2", ids[:2:-1]),
        (f"createdAtLe={at}", ids[2::-1]),
        (f"createdAtLt={at}", ids[1::-1]),
        (f"createdAtLe={at}&limit=1", [ids[2]]),
        ("", ids[::-1]),
    ):
        found = (await vapi_api.ask("GET", f"/{kind}?{query}")).json
        assert [item["id"] for item in found] == expected
    assert (await vapi_api.ask("GET", f"/{kind}?page=2")).status == 400


async def test_pages_say_where_they_stand(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    ids = vapi.add_numbers(25)
    first = (await vapi_api.ask("GET", "/v2/phone-number?limit=10")).json
    third = (await vapi_api.ask("GET", "/v2/phone-number?limit=10&page=3&sortOrder=ASC")).json
    beyond = (await vapi_api.ask("GET", "/v2/phone-number?limit=10&page=4")).json
    assert [number["id"] for number in first["results"]] == ids[:-11:-1]
    assert first["metadata"] == {
        "itemsPerPage": 10,
        "totalItems": 25,
        "currentPage": 1,
        "totalPages": 3,
        "hasNextPage": True,
        "sortOrder": "DESC",
    }
    assert [number["id"] for number in third["results"]] == ids[20:]
    assert third["metadata"]["hasNextPage"] is False
    assert beyond["results"] == []
    assert spec_errors("PhoneNumberPaginatedResponse", first, strict=False) == []


async def test_only_what_changed_since_can_be_asked_for(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    ids = vapi.add_numbers(20)
    mark = vapi.numbers.records[ids[-1]].data["updatedAt"]
    vapi.edit_number(ids[3], name="Changed")
    page = (await vapi_api.ask("GET", f"/v2/phone-number?updatedAtGt={quote(mark)}")).json
    assert [number["id"] for number in page["results"]] == [ids[3]]
    assert page["metadata"]["totalItems"] == 1
    search = (await vapi_api.ask("GET", "/v2/phone-number?search=changed")).json
    assert [number["id"] for number in search["results"]] == [ids[3]]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/phone-number?limit=1001", "limit must not be greater than 1000"),
        ("/phone-number?limit=-1", "limit must not be less than 0"),
        ("/phone-number?limit=many", "limit must be a number"),
        ("/phone-number?page=2", "property page should not exist"),
        ("/phone-number?createdAtLt=yesterday", "createdAtLt must be a valid ISO 8601"),
        ("/v2/phone-number?page=0", "page must not be less than 1"),
        ("/v2/phone-number?sortOrder=up", "sortOrder must be one of"),
        ("/call?limit=1001", "limit must not be greater than 1000"),
    ],
)
async def test_a_bad_query_is_refused(vapi_api: VapiApi, path: str, message: str) -> None:
    reply = await vapi_api.ask("GET", path)
    assert reply.status == 400
    assert message in reply.json["message"][0]


async def test_ten_thousand_numbers_are_listed_quickly(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    vapi.add_numbers(10_000)
    began, seen = time.monotonic(), 0
    for page in range(1, 11):
        reply = await vapi_api.ask("GET", f"/v2/phone-number?limit=1000&page={page}")
        seen += len(reply.json["results"])
    assert seen == 10_000
    # Measured 0.15 s; the bound only catches a list that scans everything for each page.
    assert time.monotonic() - began < 3


async def test_a_page_of_a_hundred_thousand_numbers_takes_milliseconds(vapi: SandboxVapi) -> None:
    vapi.add_numbers(100_000)
    middle = vapi.numbers.slice(50_000, 1)[0].data["createdAt"]
    queries = ({"page": "50"}, {"page": "99", "sortOrder": "ASC"})
    took = []
    for _ in range(5):
        began = time.perf_counter()
        for given in queries:
            query = listing.parse_query({"limit": "1000"} | given, paged=True)
            listing.list_page(vapi.numbers, query)
        query = listing.parse_query({"limit": "1000", "createdAtLe": middle})
        listing.list_bare(vapi.numbers, query)
        took.append(time.perf_counter() - began)
    # Measured 1 to 4 ms each; the bound only catches a list that scans everything.
    assert min(took) < 0.3
