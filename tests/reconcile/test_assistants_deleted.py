"""An assistant that is deleted at any moment of a pass: the number is neither taken for missing, nor
forgotten with our webhook still on it."""

from collections.abc import Awaitable, Callable

from tests.support.dying import Fate
from tests.support.lives import FORMER, Life

PLACES = 60


async def configured(life: Life) -> None:
    """A number whose own assistant has another server."""
    await life.add()
    await life.configure()
    await life.own_the_assistant()
    life.edit(assistantId=life.assistant_id)


async def pass_with_deletion(life: Life, place: int) -> Fate:
    """A pass during which the assistant is deleted, before its call number `place`."""

    async def delete() -> None:
        life.vapi.assistants.remove(life.assistant_id)

    fate = Fate(place, meanwhile=delete)
    await life.due()
    async with life.parts(fate) as parts:
        await parts.reconciler.reconcile_due(life.id)
    return fate


async def at_each_call(
    life: Life, begin: Callable[[], Awaitable[None]], check: Callable[[Fate], Awaitable[None]]
) -> None:
    for place in range(PLACES):
        await configured(life)
        await begin()
        fate = await pass_with_deletion(life, place)
        if not fate.reached:
            break
        await check(fate)
        await life.start_again()
    assert 8 <= place < PLACES


async def test_a_number_whose_assistant_is_deleted_is_not_missing(life: Life) -> None:
    async def begin() -> None:
        pass

    async def check(fate: Fate) -> None:
        state = await life.state()
        assert state["state"] != "missing", fate.calls
        await life.settle()
        assert (await life.state())["state"] == "in_sync", fate.calls

    await at_each_call(life, begin, check)


async def test_a_release_restores_the_number_whose_assistant_is_deleted(life: Life) -> None:
    async def begin() -> None:
        await life.settle()
        await life.release()

    async def check(fate: Fate) -> None:
        await life.settle()
        assert await life.state() is None
        assert life.number()["server"] == FORMER, fate.calls

    await at_each_call(life, begin, check)
