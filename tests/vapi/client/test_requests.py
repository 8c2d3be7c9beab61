"""The client against real servers: the meaning of each answer, of Vapi or of a proxy before it."""

import json

import pytest

from service.domain.priority import Priority
from service.vapi.errors import (
    VapiNotFoundError,
    VapiUnavailableError,
)
from tests.vapi.client.helpers import KEY, NUMBER, Vapi


async def test_a_phone_number_is_asked_for_with_the_key_and_kept_whole(vapi: Vapi) -> None:
    vapi.answers(NUMBER)
    assert await vapi.client.get_phone_number("n1", Priority.ADMIN) == NUMBER
    (request,) = vapi.requests
    assert (request.method, request.raw_path) == ("GET", "/phone-number/n1")
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert vapi.paced == [Priority.ADMIN]


async def test_every_method_asks_at_its_own_address(vapi: Vapi) -> None:
    vapi.answers(NUMBER)
    client = vapi.client
    await client.get_phone_number("n1")
    await client.patch_phone_number("n1", {"server": None})
    await client.get_assistant("n1")
    await client.patch_assistant("n1", {"server": {"url": "https://a.example"}})
    await client.get_call("n1")
    await client.get_squad("n1")
    await client.get_workflow("n1")
    await client.get_tool("n1")
    assert [(request.method, request.raw_path) for request in vapi.requests] == [
        ("GET", "/phone-number/n1"),
        ("PATCH", "/phone-number/n1"),
        ("GET", "/assistant/n1"),
        ("PATCH", "/assistant/n1"),
        ("GET", "/call/n1"),
        ("GET", "/squad/n1"),
        ("GET", "/workflow/n1"),
        ("GET", "/tool/n1"),
    ]
    assert json.loads(vapi.bodies[1]) == {"server": None}
    assert json.loads(vapi.bodies[3]) == {"server": {"url": "https://a.example"}}
    assert vapi.paced == [Priority.REPAIR] * 4 + [Priority.HANGUP] + [Priority.REPAIR] * 3


async def test_ids_are_encoded_and_cannot_lead_elsewhere(vapi: Vapi) -> None:
    for item_id in ("../call/x", "a/b?c=d#e", "a b\r\nX: y", "%2e%2e", "ü"):
        vapi.answers({"id": item_id})
        assert await vapi.client.get_phone_number(item_id) == {"id": item_id}
    assert [request.raw_path for request in vapi.requests] == [
        "/phone-number/..%2Fcall%2Fx",
        "/phone-number/a%2Fb%3Fc%3Dd%23e",
        "/phone-number/a%20b%0D%0AX%3A%20y",
        "/phone-number/%252e%252e",
        "/phone-number/%C3%BC",
    ]


@pytest.mark.parametrize("item_id", ["", ".", ".."])
async def test_ids_that_are_paths_are_not_asked_for(vapi: Vapi, item_id: str) -> None:
    vapi.answers(NUMBER)
    with pytest.raises(VapiNotFoundError):
        await vapi.client.get_call(item_id)
    assert vapi.requests == []


async def test_a_page_of_numbers(vapi: Vapi) -> None:
    metadata = {"itemsPerPage": 2, "totalItems": 5, "currentPage": 2}
    vapi.answers({"results": [NUMBER, {"id": "n2"}], "metadata": metadata})
    page = await vapi.client.list_phone_numbers_page(2, limit=2)
    assert [view.raw for view in page.numbers] == [NUMBER, {"id": "n2"}]
    assert (page.total, page.has_next) == (5, None)
    (request,) = vapi.requests
    assert request.path == "/v2/phone-number"
    assert dict(request.query) == {
        "page": "2",
        "limit": "2",
        "sortBy": "createdAt",
        "sortOrder": "ASC",
    }


async def test_a_page_never_asks_for_more_than_vapi_allows(vapi: Vapi) -> None:
    vapi.answers({"results": [], "metadata": {}})
    assert not (await vapi.client.list_phone_numbers_page(1, limit=5000)).has_next
    assert vapi.requests[0].query["limit"] == "1000"


@pytest.mark.parametrize("body", [{}, {"results": None}, {"results": ["n1"]}, []])
async def test_what_is_no_page_is_no_answer(vapi: Vapi, body: object) -> None:
    vapi.answers(body)
    with pytest.raises(VapiUnavailableError):
        await vapi.client.list_phone_numbers_page(1)
