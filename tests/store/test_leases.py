"""A lease lasts while it is renewed; its holder stops, wherever it waits, once it is lost."""

import asyncio

import pytest

from service.store.leases import LeaseLostError, holding

SECONDS, EVERY = 0.4, 0.05


class Holder:
    """Work that waits until it is interrupted; a test answers the renewals of its lease."""

    def __init__(self) -> None:
        self.renewals = 0
        self.answer: bool | Exception = True
        self.stopped = asyncio.Event()

    async def renew(self) -> bool:
        self.renewals += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def work(self) -> None:
        began = asyncio.get_running_loop().time()
        try:
            async with holding(self.renew, began, seconds=SECONDS, every=EVERY):
                await asyncio.Event().wait()
        finally:
            self.stopped.set()


@pytest.mark.parametrize("answer", [False, ConnectionError("away"), TimeoutError("slow")])
async def test_a_lost_lease_stops_its_holder(answer: bool | Exception) -> None:
    holder = Holder()
    working = asyncio.create_task(holder.work())
    await asyncio.sleep(2 * SECONDS)
    assert not holder.stopped.is_set()
    assert holder.renewals >= 2
    holder.answer = answer
    async with asyncio.timeout(10):
        with pytest.raises(LeaseLostError):
            await working
    renewals = holder.renewals
    await asyncio.sleep(3 * EVERY)
    assert holder.renewals == renewals


async def test_other_errors_pass_through() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError, match="another"):
        async with holding(Holder().renew, loop.time()):
            raise TimeoutError("another")
