"""Addresses, methods and bodies that make no sense are refused, and nothing fails whatever is sent."""

import asyncio
import contextlib
import json
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.web.api.json_body import read_json
from service.web.shapes.errors import InputError
from tests.support.api import ApiClient
from tests.support.bad_input import unchanged

TOO_MANY_CALLS = (
    "WyI1IiwgIjExMTExMTExMTExMTExMTExMTExMTExMTExMTExMSIsICIwMDAw"
    "MDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAiXQ=="
)
"""A cursor of the list of usage whose number of calls no column holds."""

ADDRESSES: list[tuple[str, int, str]] = [
    ("/organizations?unknown=1", 422, "invalid_query"),
    ("/organizations?limit=0", 422, "invalid_query"),
    ("/organizations?limit=201", 422, "invalid_query"),
    ("/organizations?limit=-1", 422, "invalid_query"),
    ("/organizations?limit=1.0", 422, "invalid_query"),
    ("/organizations?limit=%2B5", 422, "invalid_query"),
    ("/organizations?limit=", 422, "invalid_query"),
    ("/organizations?limit=" + "9" * 5000, 422, "invalid_query"),
    ("/organizations?limit=%D9%A3", 422, "invalid_query"),
    ("/organizations?limit=5&limit=5", 422, "invalid_query"),
    ("/organizations?allowed=yes", 422, "invalid_query"),
    ("/organizations?allowed=True", 422, "invalid_query"),
    ("/organizations?allowed=1", 422, "invalid_query"),
    ("/organizations?allowed", 422, "invalid_query"),
    ("/organizations?query=%00", 422, "invalid_query"),
    ("/organizations?query=" + "x" * 201, 422, "invalid_query"),
    ("/organizations?cursor=", 422, "invalid_cursor"),
    ("/organizations?cursor=x", 422, "invalid_cursor"),
    ("/organizations?cursor=%00", 422, "invalid_query"),
    ("/organizations?cursor=W10=", 422, "invalid_cursor"),
    ("/organizations?cursor=WyIiLCAiIl0=", 422, "invalid_cursor"),
    ("/audit?cursor=WyItMSJd", 422, "invalid_cursor"),
    ("/audit?cursor=WyI5OTk5OTk5OTk5OTk5OTk5OTk5OTkiXQ==", 422, "invalid_cursor"),
    (f"/usage?cursor={TOO_MANY_CALLS}", 422, "invalid_cursor"),
    ("/calls?blocked=maybe", 422, "invalid_query"),
    ("/calls?organization_id=7", 422, "invalid_query"),
    ("/calls?organization_id={00000000-0000-0000-0000-000000000000}", 422, "invalid_query"),
    ("/calls?vapi_call_id=%00", 422, "invalid_query"),
    ("/phone-numbers?sync_state=fine", 422, "invalid_query"),
    ("/policies?x=1", 422, "invalid_query"),
    ("/organizations/1", 404, "not_found"),
    ("/organizations/not-a-uuid/access", 404, "not_found"),
    ("/organizations/%00", 404, "not_found"),
    ("/organizations/00000000000000000000000000000000", 404, "organization_not_found"),
    ("/organizations/00000000-0000-0000-0000-000000000000?x=1", 422, "invalid_query"),
    ("/organizations/00000000-0000-0000-0000-000000000000", 404, "organization_not_found"),
    ("/phone-numbers/00000000-0000-0000-0000-000000000000", 404, "phone_number_not_found"),
    ("/calls/00000000-0000-0000-0000-000000000000", 404, "call_not_found"),
    ("/organizations/", 404, "not_found"),
    ("/nothing", 404, "not_found"),
]


async def test_an_address_that_makes_no_sense_is_refused(api: ApiClient) -> None:
    for case in ADDRESSES:
        path, status, code = case
        reply = await api.ask("GET", path)
        assert (reply.status, reply.code) == (status, code), case


async def test_a_query_that_is_no_utf_8_changes_nothing(api: ApiClient) -> None:
    for raw in ("%ff", "%ed%a0%80", "%"):
        reply = await api.ask("GET", f"/organizations?query={raw}")
        assert reply.status in (200, 400, 422)


async def test_only_json_is_taken(api: ApiClient) -> None:
    raw = orjson.dumps({"name": "x"})
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "text/json", ""):
        reply = await api.ask(
            "POST", "/organizations", raw=raw, headers={"Content-Type": content_type}
        )
        assert (reply.status, reply.code) == (415, "unsupported_media_type")
    reply = await api.ask("POST", "/organizations", raw=raw, headers={"Content-Encoding": "gzip"})
    assert reply.code == "unsupported_media_type"
    assert await unchanged(api)
    reply = await api.ask(
        "POST",
        "/organizations",
        raw=raw,
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    )
    assert reply.status == 201


async def test_a_body_where_none_belongs_is_refused(api: ApiClient) -> None:
    made = await api.organization()
    for method, path in [
        ("GET", "/organizations"),
        ("GET", f"/organizations/{made['id']}"),
        ("DELETE", f"/organizations/{made['id']}"),
    ]:
        reply = await api.ask(method, path, {"name": "x"})
        assert (reply.status, reply.code) == (400, "unexpected_body")
    assert await api.get(f"/organizations/{made['id']}") == made


async def test_a_large_body_is_refused(api: ApiClient) -> None:
    raw = b'{"name":"' + b"x" * 2**20 + b'"}'
    reply = await api.ask("POST", "/organizations", raw=raw)
    assert (reply.status, reply.code) == (413, "body_too_large")
    made = await api.organization()
    reply = await api.ask("DELETE", f"/organizations/{made['id']}", raw=raw)
    assert (reply.status, reply.code) == (413, "body_too_large")
    assert await api.get(f"/organizations/{made['id']}") == made


async def test_a_method_that_is_not_there_is_refused_with_those_that_are(api: ApiClient) -> None:
    reply = await api.ask("PUT", "/organizations")
    assert (reply.status, reply.code) == (405, "method_not_allowed")
    assert set(reply.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


async def test_head_answers_like_get_without_a_body(api: ApiClient) -> None:
    reply = await api.ask("HEAD", "/organizations")
    assert (reply.status, reply.body) == (200, b"")


async def test_attributes_come_back_as_they_were_sent(api: ApiClient) -> None:
    attributes = {
        "int": 2**63 - 1,
        "negative": -(2**63) + 1,
        "float": 1.0000000000000002,
        "tiny": 5e-324,
        "huge": 1.7976931348623157e308,
        "text": "\\u0000 ü 🍕 \u202e",
        "": [None, True, {"x": []}],
    }
    made = await api.organization(attributes=attributes)
    assert made["attributes"] == attributes
    assert (await api.get(f"/organizations/{made['id']}"))["attributes"] == attributes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


FIELDS = st.sampled_from(
    ["name", "external_id", "blocked_message", "forward_url", "attributes", "assistant_ids", "x"]
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(data=st.data())
def test_no_body_whatever_makes_the_service_fail(data: st.DataObject) -> None:
    """Fuzzes the reader; what it lets through PostgreSQL can keep and JSON can say."""
    raw = data.draw(st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace")))
    with contextlib.suppress(InputError):
        json.dumps(read_json(raw)).encode()


async def test_no_field_whatever_makes_the_service_fail(api: ApiClient) -> None:
    """Fuzzes every field of an organization through HTTP and PostgreSQL."""
    bodies: list[dict[str, Any]] = []

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(st.dictionaries(FIELDS, JSON, max_size=4))
    def collect(body: dict[str, Any]) -> None:
        bodies.append(body)

    await asyncio.to_thread(collect)
    for body in bodies:
        raw = json.dumps({"name": "fuzz", **body}).encode()
        reply = await api.ask("POST", "/organizations", raw=raw)
        assert reply.status in (201, 400, 409, 422), (raw, reply.body)
        if reply.status == 201:
            assert (await api.get(f"/organizations/{reply.json['id']}")) == reply.json
