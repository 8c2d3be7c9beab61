"""A process that stands still in the middle of a pass, loses its claim, and goes on long afterwards:
what another one did meanwhile, or an admin wants by now, stays."""

from collections.abc import Awaitable, Callable

import pytest

from tests.support.dying import Fate
from tests.support.interruptions import CASES
from tests.support.lives import Life

PLACES = 60

OTHERS = (
    "configure",
    "drift",
    "rotate",
    "move",
    "shadow",
    "ring on",
    "unbind",
    "release with ring",
)


async def stand_still(
    life: Life, name: str, place: int, *, after: bool, meanwhile: Callable[[], Awaitable[None]]
) -> Fate:
    """One process makes `place` calls of the case's pass and goes on when all else is over."""
    case = CASES[name]
    await life.add(**case.given)
    await case.begin(life)
    fate = Fate(place, after=after, meanwhile=meanwhile)
    async with life.parts(fate) as late:
        await case.run(late, life)
    return fate


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", OTHERS)
async def test_whoever_wakes_up_late_changes_nothing_any_more(
    life: Life, name: str, after: bool
) -> None:
    settings = life.settings
    for place in range(PLACES):
        life.settings = settings
        found: list[object] = []

        async def meanwhile(found: list[object] = found) -> None:
            await life.time_passes()
            await life.settle()
            row = await life.state()
            found.extend((life.at_vapi(), row and dict(row)))

        fate = await stand_still(life, name, place, after=after, meanwhile=meanwhile)
        if not fate.reached:
            break
        at_vapi, row = found
        state = await life.state()
        assert life.at_vapi() == at_vapi, fate.calls
        assert (state and dict(state)) == row, fate.calls
        await CASES[name].check(life)
        await life.start_again()
    assert CASES[name].least <= place < PLACES
