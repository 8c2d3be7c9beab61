"""A sweep whose lists are older than a pass: what the pass found stays."""

import pytest

from service.domain.sweeps import SweepRequest
from tests.support.dying import Fate
from tests.support.lives import Life

PLACES = 60


async def checked(life: Life) -> None:
    """A healthy process makes a pass."""
    await life.due()
    await life.configure()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_pass_during_a_sweep_has_the_last_word(life: Life, after: bool) -> None:
    """A number is shadowed when the sweep begins; an admin repairs that, and syncs it."""

    async def meanwhile() -> None:
        life.edit(assistantId=None)
        await checked(life)

    for place in range(PLACES):
        await life.add()
        life.edit(assistantId=life.assistant_id)
        await checked(life)
        assert (await life.state())["state"] == "shadowed"
        fate = Fate(place, after=after, meanwhile=meanwhile)
        async with life.parts(fate) as parts:
            await parts.sweeper.sweep(SweepRequest())
        if not fate.reached:
            break
        state = await life.state()
        assert (state["state"], state["drift"]) == ("in_sync", []), fate.calls
        await life.start_again()
    assert 6 <= place < PLACES
