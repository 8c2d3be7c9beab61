"""Elements of lists: a malformed one spoils itself only, whatever is in it."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.vapi.elements import read_elements, read_page
from service.vapi.errors import VapiUnavailableError
from service.vapi.pages import PhoneNumberPage

GOOD = b'{"id":"n1","name":"Line"}'

MALFORMED = (
    b"null",
    b"7",
    b"[]",
    b"{}",
    b'"n2"',
    b'{"id":null}',
    b'{"id":7}',
    b'{"id":""}',
    b'{"id":" n2"}',
    b'{"id":"n\\u0000"}',
    b'{"id":"n2","cost":1e999}',
    b'{"id":"n2","name":"\xff"}',
    b'{"id":"n2","name":"\\ud800"}',
)


@pytest.mark.parametrize("element", MALFORMED)
def test_a_malformed_element_is_counted_and_spoils_no_other(element: bytes) -> None:
    bare = read_elements(b"[" + GOOD + b"," + element + b"," + GOOD + b"]")
    page, metadata = read_page(
        b'{"results":[' + element + b"," + GOOD + b'],"metadata":{"totalItems":2}}'
    )
    named = [item["id"] for item in (*bare.objects, *page.objects)]
    # Invalid UTF-8 can be read where another element has to be read leniently.
    assert named.count("n1") == 3
    assert (bare.came, page.came, metadata) == (3, 2, {"totalItems": 2})
    assert bare.malformed <= 1
    assert page.malformed <= 1


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda one: st.lists(one) | st.dictionaries(st.text(), one),
    )
)
def test_nothing_in_an_element_stops_the_others(element: object) -> None:
    found = read_elements(json.dumps([{"id": "n1"}, element]).encode())
    assert found.objects[0] == {"id": "n1"}
    assert found.came == 2


def test_nul_characters_are_dropped_and_backslashes_stay() -> None:
    found = read_elements(
        rb'[{"id":"n1","name":"a\u0000\u0000b","path":"c:\\u0000","x":"\\\u0000"}]'
    )
    assert found.objects == ({"id": "n1", "name": "ab", "path": "c:\\u0000", "x": "\\"},)


@pytest.mark.parametrize("content", [b"", b"<html>", b"{}", b"7", b"null", b'{"results":{}}'])
def test_what_is_no_list_is_no_answer(content: bytes) -> None:
    for read in (read_elements, read_page):
        with pytest.raises(VapiUnavailableError, match="not a"):
            read(content)


@pytest.mark.parametrize(
    ("metadata", "total", "has_next"),
    [
        ({"totalItems": 5, "hasNextPage": True}, 5, True),
        ({"totalItems": 5.0}, 5, None),
        ({"totalItems": True, "hasNextPage": 1}, None, None),
        ({"totalItems": -1}, None, None),
        ({"totalItems": 10**12, "hasNextPage": "yes"}, None, None),
        ([], None, None),
        (None, None, None),
    ],
)
def test_metadata_count_only_as_what_the_spec_says(
    metadata: object, total: int | None, has_next: bool | None
) -> None:
    page = PhoneNumberPage.read(orjson.dumps({"results": [], "metadata": metadata}))
    assert (page.total, page.has_next) == (total, has_next)
