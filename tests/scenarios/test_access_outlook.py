"""Until when an access holds, as the page of its organization says it."""

from service.sandbox.server import SandboxVapi
from tests.scenarios.test_shipped_policies import choose, with_number
from tests.support.service import Replica
from tests.support.visiting import visiting

HOLDS = "This holds until an admin changes it."


async def test_access_is_not_said_to_hold_where_a_policy_may_end_it(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """A quota ends with the calls that use it up: no admin changes anything then."""
    owner, _ = await with_number(callgate, vapi)
    async with visiting(callgate, "viewer") as vic:
        assert HOLDS in (await vic.get(f"/organizations/{owner}")).text
        await choose(callgate, owner, "quota", {"calls_per_day": 5})
        shown = (await vic.get(f"/organizations/{owner}")).text
        assert HOLDS not in shown
        assert "may answer differently at any time, or for a certain call: Quota." in shown
