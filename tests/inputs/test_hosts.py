"""Hosts as settings name them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.host.marks import BadTextError
from service.inputs.hosts import parse_host, parse_host_and_port, parse_host_suffix, parse_network
from tests.support.attempts import attempt


@pytest.mark.parametrize(
    ("pasted", "host"),
    [
        ("0.0.0.0", "0.0.0.0"),
        (" LocalHost.\n", "localhost"),
        ("[::]", "::"),
        ("'localhost'", "localhost"),
        ("::", "::"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("\u200bmy_app-1.internal", "my_app-1.internal"),
        ("münchen.example", "xn--mnchen-3ya.example"),
    ],
)
def test_a_host_is_understood(pasted: str, host: str) -> None:
    assert parse_host(pasted) == host
    assert parse_host_and_port(pasted) == host


@pytest.mark.parametrize(
    "pasted",
    [
        "*",
        "",
        "http://0.0.0.0",
        "0.0.0.0/0",
        "a b",
        "300.1.1.1",
        "a,b",
        "a..b",
        "-a",
        "[::1",
    ],
)
def test_what_is_no_host_is_refused_with_the_remedy(pasted: str) -> None:
    for parse in (parse_host, parse_host_and_port):
        with pytest.raises(BadTextError, match="is no host: write"):
            parse(pasted)


@pytest.mark.parametrize(
    ("pasted", "place"),
    [
        ("10.0.0.5:8000", "10.0.0.5:8000"),
        ("LOCALHOST:080", "localhost:80"),
        ("[0::1]:9000", "[::1]:9000"),
    ],
)
def test_a_host_may_have_a_port_where_it_is_reached(pasted: str, place: str) -> None:
    assert parse_host_and_port(pasted) == place
    with pytest.raises(BadTextError, match="the port has a setting of its own"):
        parse_host(pasted)


@pytest.mark.parametrize("port", ["", "0", "65536", "abc", "1 2"])
def test_a_port_is_one(port: str) -> None:
    with pytest.raises(BadTextError):
        parse_host_and_port(f"localhost:{port}")


def test_the_end_of_a_name_has_its_dot() -> None:
    assert parse_host_suffix(" .VAPI.ai. ") == ".vapi.ai"
    for pasted in (
        "vapi.ai",
        "*.vapi.ai",
        ".vapi.ai:443",
        ".vapi.ai;.a.ai",
        ".",
        "..vapi.ai",
        ".a b",
    ):
        with pytest.raises(BadTextError, match=r"write it with its dot"):
            parse_host_suffix(pasted)


@pytest.mark.parametrize(
    ("pasted", "network"),
    [
        ("10.0.0.7", "10.0.0.7/32"),
        ("10.0.0.7/8", "10.0.0.0/8"),
        ("::ffff:10.0.0.7", "10.0.0.7/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("\u200b2001:db8::/32 ", "2001:db8::/32"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_is_understood(pasted: str, network: str) -> None:
    assert str(parse_network(pasted)) == network


@pytest.mark.parametrize(
    "pasted", ["*", "", "10.0.0.1:80", "[::1]", "proxy.local", "10.0.0.0/8;::1"]
)
def test_what_is_no_network_is_refused_with_the_remedy(pasted: str) -> None:
    with pytest.raises(BadTextError, match="is no IP network: write an address"):
        parse_network(pasted)


@given(st.text(max_size=60))
def test_any_text_is_a_host_or_a_clear_refusal(text: str) -> None:
    for parse in (parse_host, parse_host_and_port, parse_host_suffix):
        found, refusal = attempt(parse, text)
        assert refusal.isprintable()
        assert found is None or parse(found) == found
