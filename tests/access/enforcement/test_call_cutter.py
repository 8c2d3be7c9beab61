"""What happens while the cutter asks whether organizations still have access."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast
from uuid import UUID

from service.access.directory import AccessDirectory
from service.access.enforcement.call_cutter import CallCutter
from service.access.enforcement.first_attempts import BlockedCall
from service.access.known_calls import KnownCalls
from service.access.policies.chain import AccessChain
from service.domain.standing import AccessStanding
from service.store.calls.call_store import CallStore
from service.store.pool import Pool
from tests.support.calls import new_call, record

OWNER = UUID(int=1)
ADD = "INSERT INTO callgate.organizations (id, name, handling) VALUES ($1, $2, $3)"


class Standings:
    """Answers in turn whether there is access, the last answer forever. While it looks, something
    happens."""

    def __init__(self, *answers: bool, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self.chain = AccessChain([])
        self.answers = list(answers)
        self.meanwhile = meanwhile

    async def read(
        self, owners: Sequence[UUID], *, under_way: bool = True
    ) -> dict[UUID, AccessStanding]:
        assert under_way
        allowed = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await self.meanwhile()
        return {
            one: AccessStanding(allowed, "plan_ended", "", False, None, None, None)
            for one in owners
        }


class Orders:
    """The hang-ups that were ordered, in place of the first attempts."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def start(self, order: BlockedCall) -> None:
        self.calls.append(order.vapi_call_id)


async def cutter_for(pool: Pool, standings: Standings) -> tuple[CallCutter, Orders]:
    """A cutter, and one call under way of an organization that ends calls with its access."""
    await pool.execute(ADD, OWNER, "Acme", {"when_access_ends": "hang_up"})
    await record(pool, new_call("old", organization_id=OWNER))
    given, orders = cast("Any", standings), Orders()
    attempts, known = cast("Any", orders), KnownCalls()
    store, directory = CallStore(pool), AccessDirectory()
    return CallCutter(store, directory, given, attempts=attempts, known=known), orders


async def test_a_call_that_begins_meanwhile_is_not_cut_by_what_was_read_before(pool: Pool) -> None:
    """An admin may have given the access back, and the call was granted by it."""
    count = 0

    async def begin() -> None:
        nonlocal count
        count += 1
        await record(pool, new_call(f"new-{count}", organization_id=OWNER))

    cutter, orders = await cutter_for(pool, Standings(False, meanwhile=begin))
    await cutter.cut_calls()
    assert orders.calls == ["old"]
    await cutter.cut_calls()
    assert {"old", "new-1"} <= set(orders.calls), "there is still no access"


async def test_access_that_is_given_back_meanwhile_spares_the_calls(pool: Pool) -> None:
    async def nothing() -> None:
        """No call begins."""

    cutter, orders = await cutter_for(pool, Standings(False, True, meanwhile=nothing))
    await cutter.cut_calls()
    assert orders.calls == []
