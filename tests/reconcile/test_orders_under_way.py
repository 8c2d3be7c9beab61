"""What an admin orders is carried out: also where a pass is under way that began before the order, or
where the pass of the request takes too long."""

from collections.abc import Awaitable, Callable

from service.domain.phone_numbers import Order
from service.sandbox.server import SandboxVapi
from service.store.phone_numbers import phone_numbers
from tests.support.dying import Fate
from tests.support.lives import ELSEWHERE, FORMER, Life
from tests.support.reconcile_stories import ELSEWHERE as THEIRS
from tests.support.reconcile_stories import at_vapi, numbers
from tests.support.service import Start, eventually

ORDER = Order("ada", "api")
PLACES = 60
ADD = "INSERT INTO callgate.organizations (name) VALUES ('Brewery') RETURNING id"
MOVE = "UPDATE callgate.phone_numbers SET organization_id = $2 WHERE id = $1"


async def configured(life: Life) -> None:
    """A number in sync, which is only observed from now on."""
    await life.add()
    await life.configure()
    life.settings = life.settings.model_copy(update={"callgate_reconcile_mode": "observe"})


async def at_each_call(life: Life, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """The order comes before each call of a pass in turn."""
    settings = life.settings
    for place in range(PLACES):
        life.settings = settings
        await configured(life)
        await life.due()
        fate = Fate(place, meanwhile=meanwhile)
        async with life.parts(fate) as parts:
            await parts.reconciler.reconcile_due(life.id)
        if not fate.reached:
            break
        await life.configure()
        state = await life.state()
        assert (state["state"], state["ordered_by"]) == ("in_sync", None), fate.calls
        assert life.posts_to_us(life.number()), fate.calls
        await life.start_again()
    assert 4 <= place < PLACES


async def test_a_change_that_is_ordered_during_a_pass_is_made_where_drift_is_only_observed(
    life: Life,
) -> None:
    async def change() -> None:
        async with life.pool.acquire() as connection:
            life.owner = await connection.fetchval(ADD)
            await connection.execute(MOVE, life.id, life.owner)
            await phone_numbers.make_due(connection, life.id, ORDER)

    await at_each_call(life, change)


async def test_a_sync_that_is_ordered_during_a_pass_is_carried_out(life: Life) -> None:
    async def order() -> None:
        life.edit(server={**FORMER, "url": ELSEWHERE})
        async with life.pool.acquire() as connection:
            await phone_numbers.allow_write(connection, life.id, ORDER)

    await at_each_call(life, order)


async def test_a_sync_that_takes_too_long_for_its_request_goes_on(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0)
    number = (await numbers(callgate, vapi, 1))[0]
    vapi.edit_number(number["vapi_phone_number_id"], server=dict(THEIRS))
    callgate.service.use_cases.phone_numbers.vapi_seconds = 0.3
    vapi.fail("GET /phone-number/*", latency=1.0, times=1)
    answer = await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    assert answer.status == 200

    async def repaired() -> bool:
        server = at_vapi(vapi, number["vapi_phone_number_id"])["server"]
        return bool(server["url"] == f"{callgate.url}/api/vapi/webhook")

    await eventually(repaired)
