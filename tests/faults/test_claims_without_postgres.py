"""Messages that confuse the calls of two organizations while PostgreSQL is away."""

from service.sandbox.server import SandboxVapi
from tests.faults.test_postgres_away import callgate, server
from tests.support.claims import add_rivals, changed
from tests.support.own_postgres import Server
from tests.support.service import Replica, eventually

__all__ = ("callgate", "server")


async def test_a_claim_waits_for_postgresql_and_stops_no_paying_call(
    callgate: Replica, server: Server, vapi: SandboxVapi
) -> None:
    rivals = await add_rivals(vapi, callgate)
    server.stop()
    (blocked, to_blocked), (paying, to_paying) = (
        rivals.call(number) for number in (rivals.blocked_number, rivals.paying_number)
    )
    assert (await callgate.post(changed(to_blocked, rivals.paying_number))).status == 200
    assert (await callgate.post(changed(to_paying, rivals.blocked_number))).status == 403
    assert (await callgate.post(to_blocked)).status == 403
    assert (await callgate.post(to_paying)).status == 200
    await rivals.hung_up(blocked, 5.0)
    assert paying.live
    server.start()

    async def known() -> bool:
        reply = await callgate.api("GET", "/calls")
        return reply.status == 200 and not callgate.service.access.spool.waiting

    await eventually(known, 30)
    assert (await callgate.post(to_paying)).status == 200
    await rivals.owned(blocked, rivals.blocked)
    await rivals.owned(paying, rivals.paying)
    await rivals.settled(paying)
    assert paying.live
