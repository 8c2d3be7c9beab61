"""The release of a number whose former webhook is not on record."""

import pytest

from service.domain.phone_numbers import Order
from service.store.phone_numbers import phone_numbers
from tests.support.reconciling import THEIRS, World

FORGET = "UPDATE callgate.webhook_states SET original = NULL, last_applied = NULL"


@pytest.mark.parametrize("ours", [True, False])
async def test_without_a_record_only_a_webhook_that_posts_to_us_is_removed(
    world: World, ours: bool
) -> None:
    """A failover of PostgreSQL lost the record, or the webhook was set up by hand."""
    (vapi_id, number_id), = (await world.numbers(1)).items()  # fmt: skip
    await world.pool.execute(FORGET)
    if not ours:
        world.spoil([vapi_id])
    async with world.pool.acquire() as connection:
        await phone_numbers.release(connection, number_id, Order("ada", "api"))
    await world.parts.sweeper.work_off()
    assert await world.state(number_id) is None
    assert world.server(vapi_id) == (None if ours else {"url": THEIRS})
