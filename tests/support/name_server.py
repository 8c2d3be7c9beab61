"""A name server on loopback: it answers over UDP, says that a name is missing, or stays silent."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

from dnslib import AAAA, QTYPE, RCODE, RR, A, DNSRecord


class NameServer(asyncio.DatagramProtocol):
    """Answers the names of `addresses`; others are missing, or unanswered if they end in a suffix
    of `silent`. `asked` counts the questions, one for each kind of address."""

    def __init__(self, addresses: Mapping[str, str], silent: tuple[str, ...] = ()) -> None:
        self.addresses = dict(addresses)
        self.silent = silent
        self.asked: Counter[str] = Counter()
        self.transport: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        assert self.transport is not None
        host, port = self.transport.get_extra_info("sockname")
        return f"{host}:{port}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = DNSRecord.parse(data)
        name = str(question.q.qname).rstrip(".").lower()
        self.asked[name] += 1
        if name.endswith(self.silent):
            return
        reply = question.reply()
        found = self.addresses.get(name)
        if found is None:
            reply.header.rcode = RCODE.NXDOMAIN
        elif question.q.qtype == (QTYPE.AAAA if ":" in found else QTYPE.A):
            record = AAAA(found) if ":" in found else A(found)
            reply.add_answer(RR(question.q.qname, question.q.qtype, rdata=record, ttl=0))
        assert self.transport is not None
        self.transport.sendto(reply.pack(), addr)


@asynccontextmanager
async def name_server(
    addresses: Mapping[str, str], silent: tuple[str, ...] = (), port: int = 0
) -> AsyncIterator[NameServer]:
    """A running name server."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(addresses, silent), local_addr=("127.0.0.1", port)
    )
    try:
        yield server
    finally:
        transport.close()
