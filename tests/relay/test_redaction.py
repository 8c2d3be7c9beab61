"""What a client must not get is removed at any depth, and nothing else is touched."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.relay.redaction import redact

CANARY = "canary-value-that-no-client-gets"
PRIVATE = (
    "secret", "serverUrlSecret", "authToken", "twilioAuthToken", "apiKey", "vonageApiKey",
    "controlUrl", "listenUrl", "SECRET", "Apikey",
)  # fmt: skip
PLAIN = st.sampled_from(
    ["call", "server", "monitor", "headers", "secrets", "apiKeys", "url", 'ä\\"']
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


def values(keys: st.SearchStrategy[str], leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=30
    )


def without_private(value: Any, parent: str | None = None) -> Any:
    """The same rule, applied to parsed values."""
    if isinstance(value, list):
        return [without_private(one, parent) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        low = key.lower()
        private = low in ("secret", "serverurlsecret", "controlurl", "listenurl")
        if private or low.endswith(("authtoken", "apikey")):
            continue
        if low == "headers" and parent == "server":
            continue
        kept[key] = without_private(item, low)
    return kept


def escaped(text: str) -> str:
    """The same JSON with a letter of every key spelled as an escape."""
    return re.sub(
        r'"([a-zA-Z])([a-zA-Z]*)"(\s*):', lambda m: f'"\\u{ord(m[1]):04x}{m[2]}"{m[3]}:', text
    )


@given(
    value=values(PLAIN | st.sampled_from(PRIVATE), LEAVES),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
    hide=st.booleans(),
)
def test_no_private_member_survives_and_all_others_do(
    value: Any, indent: int | None, ascii_only: bool, hide: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    body = (escaped(text) if hide else text).encode("utf-8", "surrogatepass")
    wanted = without_private(value)
    found = redact(body)
    assert json.loads(found.decode("utf-8", "surrogatepass")) == wanted
    if wanted == value:
        assert found is body
    assert redact(found) == found


@given(value=values(st.text(), LEAVES))
def test_without_anything_private_the_bytes_stay(value: Any) -> None:
    if without_private(value) == value:
        body = json.dumps(value).encode()
        assert redact(body) == body


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"secret":1}', b"{}"),
        (b'{ "secret" : {"a":[1,{"b":2}]} , "a":1e999}', b'{ "a":1e999}'),
        (b'{"a":1.50, "secret":"x", "b":2}', b'{"a":1.50, "b":2}'),
        (b'{"a":1,"secret":"x","apiKey":[],"b":{"authToken":{}}}', b'{"a":1,"b":{}}'),
        (b'{"secret":1,"secret":2,"a":1,"a":2}', b'{"a":1,"a":2}'),
        (b'{"server":{"headers":{"X":"1"},"url":"u"}}', b'{"server":{"url":"u"}}'),
        (b'{"server":[{"headers":{}}]}', b'{"server":[{}]}'),
        (
            b'{"headers":{"X":"1"},"tool":{"headers":[]}}',
            b'{"headers":{"X":"1"},"tool":{"headers":[]}}',
        ),
        (b'{"s":"\\"secret\\":1,{","n":12345678901234567890.0}',) * 2,
        (b'["secret",{"x":"secret"}]',) * 2,
        (b'{"\\u0073ecret":1}', b"{}"),
    ],
)
def test_bytes_around_what_is_removed_stay(body: bytes, wanted: bytes) -> None:
    assert redact(body) == wanted


def test_a_given_secret_is_replaced_wherever_it_stands() -> None:
    body = json.dumps({"transcript": f"say {CANARY}", CANARY: 1}).encode()
    assert CANARY.encode() not in redact(body, [CANARY.encode()])
    assert redact(body, [b"another", b""]) == body


def test_deep_nesting_is_no_trouble() -> None:
    body = b'{"a":' * 50_000 + b'{"secret":1}' + b"}" * 50_000
    assert redact(body) == body.replace(b'"secret":1', b"")
