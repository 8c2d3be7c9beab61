"""Names and addresses that a control URL may not lead to."""

import asyncio
import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from service.vapi.control import ControlClient, HostileUrlError
from service.vapi.errors import (
    VapiUnavailableError,
)
from service.vapi.resolver import PublicResolver
from tests.support.control_urls import HOSTILE
from tests.vapi.control.helpers import ControlHost


class Names(AbstractResolver):
    """DNS that answers every name with the given addresses, and remembers who asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.addresses
        ]

    async def close(self) -> None: ...


async def test_hostile_urls_are_neither_resolved_nor_connected() -> None:
    names = Names("127.0.0.1")
    client = ControlClient(
        (".vapi.ai", "http://127.0.0.1:9000", "https://stub.internal:8443"), names
    )
    assert len(HOSTILE) >= 40
    for url in HOSTILE:
        with pytest.raises(HostileUrlError):
            await client.end_call(url)
    assert names.asked == []
    await client.close()


async def test_a_listener_that_is_not_configured_is_never_connected() -> None:
    knocks: list[object] = []

    async def count(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = ControlClient((".vapi.ai", f"http://127.0.0.1:{port + 1 if port < 65535 else 1}"))
    for form in (
        "http://127.0.0.1:{}/control",
        "https://127.0.0.1:{}/control",
        "http://localhost:{}/control",
        "http://a.vapi.ai@127.0.0.1:{}/control",
        "http://a.vapi.ai:443@127.0.0.1:{}/",
        "http://[::ffff:127.0.0.1]:{}/control",
        "http://2130706433:{}/control",
        "http://0:{}/.vapi.ai",
        "http://127.0.0.1:{}#.vapi.ai",
        "http://127.0.0.1:{}?.vapi.ai",
        "http://127.0.0.1:{}\\.vapi.ai",
    ):
        with pytest.raises(HostileUrlError):
            await client.end_call(form.format(port))
    await client.close()
    server.close()
    await server.wait_closed()
    assert knocks == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "::127.0.0.1",
        "fec0::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "2001:0:4136:e378::1",
        "2001:db8::1",
        "3fff::1",
        "192.0.2.1",
        "198.18.0.1",
        "203.0.113.9",
        "240.0.0.1",
        "64:ff9b::a00:1",
    ],
)
async def test_names_of_vapi_that_lead_inside_are_refused(address: str) -> None:
    # Asked directly too: without IPv6 a connection to an inner address fails by itself.
    with pytest.raises(OSError, match="no public address"):
        await PublicResolver(Names(address)).resolve("a.vapi.ai", 443)
    client = ControlClient((".vapi.ai",), Names(address))
    with pytest.raises(VapiUnavailableError):
        await client.end_call("https://a.vapi.ai/control")
    await client.close()


async def test_of_several_addresses_only_public_ones_are_left() -> None:
    inner = Names("127.0.0.1", "8.8.8.8", "64:ff9b::808:808", "::1")
    found = await PublicResolver(inner).resolve("a.vapi.ai", 443)
    assert [entry["host"] for entry in found] == ["8.8.8.8", "64:ff9b::808:808"]


async def test_a_configured_origin_may_lead_inside(host: ControlHost) -> None:
    port = host.origin.rpartition(":")[2]
    client = ControlClient((f"http://stub.internal:{port}",), Names("127.0.0.1"))
    await client.end_call(f"http://stub.internal:{port}/control")
    assert len(host.requests) == 1
    await client.close()
