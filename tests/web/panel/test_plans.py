"""The forms of plan and trial: what happens at the period's end, and ending a trial now."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

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


EXACT: dict[str, dict[str, Any]] = {
    "plan": {
        "code": "pro",
        "status": "active",
        "current_period_end": "2030-01-31T12:34:56.789012Z",
        "grace_period_end": "2030-02-03T12:34:56Z",
        "limits": {"minutes": 100 / 3},
    },
    "trial": {"starts_at": "2026-01-01T08:00:59Z", "ends_at": "2030-01-31T23:59:59Z"},
    "override": {
        "effect": "allow",
        "reason": "goodwill",
        "starts_at": "2026-01-01T08:00:59Z",
        "expires_at": "2030-01-31T23:59:59.999Z",
    },
}
FIELD = re.compile(r'type="([\w-]+)" name="(\w+)" value="([^"]*)"')


@pytest.mark.parametrize("end", ["", ":00.000Z"], ids=["plain", "with-the-script"])
@pytest.mark.parametrize("form", EXACT)
async def test_saving_a_form_as_it_is_moves_no_instant(
    callgate: Replica, form: str, end: str
) -> None:
    """A browser's field shows minutes, and the periods of billing systems end at any second."""
    async with visiting(callgate) as visitor:
        path = await add(visitor)
        await callgate.api("PUT", f"{path}/{form}", EXACT[form])
        before = (await callgate.api("GET", path)).json[form]
        fields = FIELD.findall((await ok(visitor, f"{path}/{form}")).body)
        sent = {
            name: value + end if kind == "datetime-local" else value
            for kind, name, value in fields
            if kind != "checkbox"
        }
        chosen = {"status": "active", "effect": "allow"}
        saved = await visitor.post(f"{path}/{form}", {**sent, **chosen})
        assert saved.status == 200, saved.text
        after = (await callgate.api("GET", path)).json[form]
        assert after == {**before, **({"author": "Ada"} if form == "override" else {})}


async def test_an_instant_that_is_moved_in_its_form_is_that_of_the_form(callgate: Replica) -> None:
    async with visiting(callgate) as visitor:
        path = await add(visitor)
        await callgate.api("PUT", f"{path}/trial", EXACT["trial"])
        moved = {"starts_at": "2026-01-01T08:00", "ends_at": "2030-01-31T23:58"}
        await visitor.post(f"{path}/trial", moved)
        assert (await callgate.api("GET", path)).json["trial"] == {
            "starts_at": "2026-01-01T08:00:59Z",
            "ends_at": "2030-01-31T23:58:00Z",
        }
