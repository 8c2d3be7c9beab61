"""Where events may be relayed to when the operator has listed hosts of his own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidError
from service.domain.network.forward_urls import check_forward_url

RELAYS = ("127.0.0.1", "relay.internal:8443", "::1", "Intranet")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/x",
        "https://127.0.0.1/",
        "https://relay.internal:8443/x?y",
        "http://relay.internal:8443/",
        "http://[::1]:9000/",
        "http://intranet/",
        "http://INTRANET:8080/",
        "http://intranet./",
        "http://[0:0::1]:9000/",
        "https://public.example/",
    ],
)
def test_listed_hosts_may_be_private_and_without_tls(url: str) -> None:
    check_forward_url(url, RELAYS)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2/",
        "https://relay.internal/",
        "https://relay.internal:8444/",
        "http://public.example/",
        "http://user@127.0.0.1/",
        "ftp://127.0.0.1/",
        "http://127.0.0.1.evil.example/",
        "http://evil.example/127.0.0.1",
        "http://evil.example?127.0.0.1",
        "http://127.0.0.1#@evil.example/",
    ],
)
def test_listing_a_host_opens_no_other(url: str) -> None:
    with pytest.raises(InvalidError) as caught:
        check_forward_url(url, RELAYS)
    assert caught.value.code == "invalid_forward_url"


OWN = ("https://gate.example.com/api/vapi/webhook", "http://[::1]:8080")


@pytest.mark.parametrize(
    "url",
    [
        "https://gate.example.com/api/vapi/webhook",
        "https://GATE.example.com:443/anything",
        "https://gate.example.com./",
        "http://[0:0:0:0:0:0:0:1]:8080/hook",
    ],
)
def test_no_spelling_of_our_own_address_is_taken(url: str) -> None:
    with pytest.raises(InvalidError, match="leads to Callgate itself"):
        check_forward_url(url, RELAYS, OWN)


def test_another_port_or_host_beside_ours_is_taken() -> None:
    for url in ("https://gate.example.com:8443/", "https://app.gate.example.com/"):
        check_forward_url(url, RELAYS, OWN)


@given(st.text(max_size=60) | st.text("htps:/[]@.%\\127x", max_size=40))
def test_whatever_is_given_is_taken_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"http://[{text}]/"):
        try:
            check_forward_url(url, RELAYS)
        except InvalidError:
            continue
        assert url.startswith(("https://", "http://"))
        assert url.isascii()


@pytest.mark.parametrize("port", [22, 25, 445, 1023])
def test_system_ports_are_refused_with_the_port_named(port: int) -> None:
    with pytest.raises(InvalidError, match=f"port {port};"):
        check_forward_url(f"https://public.example:{port}/", RELAYS)


def test_a_listed_host_may_use_any_port() -> None:
    for url in ("http://127.0.0.1:25/", "http://[::1]:22/"):
        check_forward_url(url, RELAYS)
    check_forward_url("https://[fd00::1]:9000/", ("[fd00::1]:9000",))
