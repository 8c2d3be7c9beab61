"""The example of a blocked message on an organization's page."""

import json
import re

from tests.support.service import Replica
from tests.support.visiting import visiting
from tests.web.panel.test_organizations import add, ok


async def test_the_blocked_message_is_that_of_the_next_denial(callgate: Replica) -> None:
    """Whether it is a reason of its own or a policy that has the words."""
    async with visiting(callgate) as ada:
        path = await add(ada)
        shown = await ok(ada, path)
        assert f"/admin{path}/policies" in shown.links
        assert "Policies of this organization" in shown.text
        await ada.post(
            f"{path}/messages",
            {"text_of": "Please pay.", "reason_of": "plan_ended", "language_of": ""},
        )
        await ada.post(f"{path}/plan", {"code": "pro", "status": "active"})
        shown = await ok(ada, path)
        assert "blocked for the reason “Plan has ended” hears: Please pay." in shown.text
        hours = {"weekly": {"monday": ["09:00-09:01"]}, "message": "{organization} is closed."}
        page = await ada.get(f"{path}/policies/opening_hours")
        opened = {"version": re.findall(r'name="version" value="([^"]+)"', page.body)[0]}
        await ada.post(f"{path}/policies/opening_hours", {"settings": json.dumps(hours), **opened})
        shown = await ok(ada, path)
        assert re.search(r"hears( now)?: Acme is closed\.", shown.text)
