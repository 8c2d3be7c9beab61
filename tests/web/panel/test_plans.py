"""The forms of plan and trial: what happens at the period's end, and ending a trial now."""

from datetime import UTC, datetime, timedelta

from tests.support.service import Replica
from tests.support.visiting import visiting
from tests.web.panel.test_organizations import add, ok


async def test_the_form_says_what_happens_at_the_periods_end(callgate: Replica) -> None:
    async with visiting(callgate) as visitor:
        path = await add(visitor)
        end = datetime.now(UTC) + timedelta(days=9)
        plan = {
            "code": "pro",
            "status": "trialing",
            "current_period_end": f"{end:%Y-%m-%dT%H:%M}",
            "minutes": "500",
        }
        await visitor.post(f"{path}/plan", plan)
        page = await ok(visitor, f"{path}/plan")
        assert "The plan renews on" in page.text
        assert "calls are allowed until" in page.text
        assert "500" in (await ok(visitor, path)).text
        await visitor.post(f"{path}/plan", {**plan, "cancel_at_period_end": "on"})
        page = await ok(visitor, f"{path}/plan")
        assert "From then on calls are blocked." in page.text


async def test_a_trial_is_ended_now(callgate: Replica) -> None:
    async with visiting(callgate) as visitor:
        path = await add(visitor)
        end = datetime.now(UTC) + timedelta(days=9)
        await visitor.post(f"{path}/trial", {"ends_at": f"{end:%Y-%m-%dT%H:%M}"})
        assert "Trial is running" in (await ok(visitor, path)).text
        await visitor.post(f"{path}/trial/end", {})
        assert "Trial has ended" in (await ok(visitor, path)).text
