"""Limits in a replay: as many are in use as when the call was decided."""

from policies import AccessRequest, Verdict, abstain, limit, policy
from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.access.replay.test_replay import let_an_hour_pass, replay
from tests.support.limits import (
    NAME,
    REASON,
    add_limited,
    add_policy,
    calls_at_once,
    know,
    post_all,
)
from tests.support.service import Replica


@policy(order=50, pure=True, name="calls_at_once")
def three_at_once(_request: AccessRequest) -> Verdict:
    return abstain(limits=[limit(NAME, 3, reason=REASON)])


async def test_a_replay_counts_what_was_in_use(
    callgate: Replica, vapi: SandboxVapi, pool: Pool
) -> None:
    add_policy(callgate)
    _, number = await add_limited(callgate, vapi, 2)
    await know([callgate], number)
    for _ in range(2):
        calls = [vapi.live_call(number, kind="assistant-request") for _ in range(2)]
        await post_all([callgate], calls)
    await let_an_hour_pass(pool)
    same = await replay(pool, [calls_at_once])
    assert (same.calls, same.same) == (4, 4), same
    changed = await replay(pool, [three_at_once])
    assert (changed.calls, changed.same) == (4, 2), "both were denied with two in use"
