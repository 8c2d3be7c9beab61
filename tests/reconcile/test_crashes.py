"""A process that dies at any moment of any pass, or gets a stale answer: another one brings the
number to the same end, with nothing foreign lost. No notification is used, so that a missed event costs
nothing either."""

import pytest

from service.store.reconcile import changes
from tests.support.dying import DeathError, Fate
from tests.support.interruptions import CASES, Case, gone
from tests.support.lives import FORMER, Life, foreign

BEFORE_OR_AFTER = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])


async def interrupt(life: Life, case: Case, fate: Fate) -> None:
    """One process runs into its fate."""
    try:
        async with life.parts(fate) as parts:
            await case.run(parts, life)
    except DeathError:
        pass


async def ends_well(life: Life, case: Case, *, given_up: bool = True) -> None:
    """The number comes to its end, and can be released afterwards as if nothing had happened."""
    await life.settle()
    await case.check(life)
    if given_up and case.check is not gone:
        await life.release()
        await life.settle()
        await life.is_gone()


@BEFORE_OR_AFTER
@pytest.mark.parametrize("name", CASES)
async def test_a_death_at_any_moment(life: Life, name: str, after: bool) -> None:
    case, settings, place = CASES[name], life.settings, 0
    while True:
        life.settings = settings
        await life.add(**case.given)
        await case.begin(life)
        fate = Fate(place, after=after)
        await interrupt(life, case, fate)
        await ends_well(life, case, given_up=after)
        if not fate.reached:
            break
        await life.start_again()
        place += 1
    assert place >= case.least, fate.calls


@pytest.mark.parametrize("name", CASES)
async def test_an_answer_that_is_out_of_date_at_any_moment(life: Life, name: str) -> None:
    """The k-th GET of the pass answers the state before the last change."""
    case, settings, place = CASES[name], life.settings, 0
    while True:
        place += 1
        life.settings = settings
        await life.add(**case.given)
        await case.begin(life)
        fault = life.vapi.fail("GET *", stale=True, every=place, times=1)
        await interrupt(life, case, Fate())
        life.vapi.faults.clear()
        await ends_well(life, case, given_up=False)
        if not fault.hits:
            break
        await life.start_again()
    assert place > 1


@BEFORE_OR_AFTER
async def test_a_roll_back_that_is_cut_short_can_be_done_again(life: Life, after: bool) -> None:
    place = 0
    while True:
        await life.add()
        await life.settle()
        change = (await changes.list_page(life.pool, life.id, None, 1))[0]
        await life.pause()
        fate = Fate(place, after=after)
        try:
            async with life.parts(fate) as parts:
                await parts.reconciler.roll_back(life.id, change)
        except DeathError:
            pass
        await life.time_passes()
        async with life.parts() as parts:
            # Nothing undoes it, or finishes it, unless an admin asks for that.
            found = life.at_vapi()
            await parts.reconciler.reconcile_due(life.id)
            assert life.at_vapi() == found
            await parts.reconciler.roll_back(life.id, change)
        assert life.number()["server"] == FORMER
        assert foreign(life.number()) == foreign(life.theirs)
        assert (await life.state())["state"] == "paused"
        await life.is_written_down()
        if not fate.reached:
            break
        await life.start_again()
        place += 1
    assert place >= 5, fate.calls
