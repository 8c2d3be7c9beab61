"""Which addresses and ports Callgate may connect to on a client's word. Pure.

One rule for addresses written in a URL and for those that a name resolves to. It lists what is refused
by IANA's special-purpose registries instead of asking `ipaddress.is_global`, whose answer differs
between versions of Python.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

WEB_PORTS = (80, 443)
LAST_SYSTEM_PORT = 1023
LAST_PORT = 65_535

INTERNAL_IPV4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
"""All that IANA allocates as global unicast; site-local, link-local, ULA and multicast lie outside."""
INTERNAL_IPV6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address, out of use
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # returned
        "3fff::/20",  # documentation
    )
)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def parse_address(text: str) -> Address | None:
    """The address that a text is, or None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_public_address(address: Address) -> bool:
    """Whether an address lies on the public network. IPv4 in IPv6 (mapped, NAT64) is unwrapped."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in INTERNAL_IPV4)
    if address.scope_id is not None:
        return False
    carried = address.ipv4_mapped
    if address in NAT64:
        carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if carried is not None:
        return is_public_address(carried)
    return address in GLOBAL_IPV6 and not any(address in network for network in INTERNAL_IPV6)


def is_web_port(port: int) -> bool:
    """Whether a web server may listen there: 80, 443 or above 1,023, never a system service."""
    return port in WEB_PORTS or LAST_SYSTEM_PORT < port <= LAST_PORT
