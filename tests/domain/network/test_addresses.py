"""Which addresses and ports may be connected to on a client's word."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidError
from service.domain.network.addresses import (
    INTERNAL_IPV4,
    INTERNAL_IPV6,
    Address,
    is_public_address,
    is_web_port,
    parse_address,
)
from service.domain.network.forward_urls import check_forward_url

V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)
INTERNAL_V4 = st.sampled_from(INTERNAL_IPV4).flatmap(lambda net: st.ip_addresses(network=net))
INTERNAL_V6 = st.sampled_from(INTERNAL_IPV6).flatmap(lambda net: st.ip_addresses(network=net))


def wrapped(address: ipaddress.IPv4Address, prefix: str) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(address))


def accepts(host: Address | str, port: int = 443) -> bool:
    """Whether a forward_url may name the host, as the API decides."""
    text = f"[{host}]" if ":" in str(host) else str(host)
    try:
        check_forward_url(f"https://{text}:{port}/", ())
    except InvalidError:
        return False
    return True


@given(INTERNAL_V4)
def test_internal_addresses_are_refused_in_every_form(address: ipaddress.IPv4Address) -> None:
    six_to_four = ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80) | 1)
    teredo = ipaddress.IPv6Address((0x20010000 << 96) | (int(address) ^ 0xFFFFFFFF))
    forms = (
        address,
        wrapped(address, "::ffff:0:0"),
        wrapped(address, "64:ff9b::"),
        wrapped(address, "64:ff9b:1::"),
        wrapped(address, "::"),
        six_to_four,
        teredo,
    )
    for form in forms:
        assert not is_public_address(form), form
        assert not accepts(form), form


@given(INTERNAL_V6)
def test_special_ipv6_networks_are_refused(address: ipaddress.IPv6Address) -> None:
    assert not is_public_address(address)


@given(V4 | V6)
def test_what_python_calls_private_is_never_public(address: Address) -> None:
    if not is_public_address(address):
        return
    assert not address.is_loopback
    assert not address.is_link_local
    assert not address.is_multicast
    assert not address.is_unspecified
    if isinstance(address, ipaddress.IPv4Address) or address.ipv4_mapped is None:
        assert address.is_global


@given(V4)
def test_a_wrapped_address_is_as_public_as_the_address_inside(
    address: ipaddress.IPv4Address,
) -> None:
    for prefix in ("::ffff:0:0", "64:ff9b::"):
        assert is_public_address(wrapped(address, prefix)) == is_public_address(address)


@given(V4 | V6)
def test_a_literal_is_judged_like_a_resolved_address(address: Address) -> None:
    assert accepts(address) == is_public_address(address)


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "1.1.1.1", "192.0.1.1", "2606:4700:4700::1111", "2001:4860:4860::8888"]
)
def test_public_addresses_pass(text: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert is_public_address(address)


@pytest.mark.parametrize("text", ["fe80::1", "fec0::1", "fc00::1", "ff02::1", "::1", "::"])
def test_addresses_outside_global_unicast_are_refused(text: str) -> None:
    assert not is_public_address(ipaddress.ip_address(text))


def test_an_address_with_a_zone_is_refused() -> None:
    assert not is_public_address(ipaddress.ip_address("2606:4700::1%eth0"))


@given(st.integers(min_value=1, max_value=65_535))
def test_system_ports_are_refused_except_those_of_the_web(port: int) -> None:
    allowed = port in (80, 443) or port > 1023
    assert is_web_port(port) == allowed
    assert accepts("hooks.example", port) == allowed
