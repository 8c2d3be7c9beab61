"""The quota in the whole service equals a replay of the raw messages."""

import random
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.scenarios.test_shipped_policies import choose, with_number
from tests.support.service import Replica, eventually

MINUTES, CALLS, COST = 12.0, 14, 3.0
STEPS = 60


@dataclass
class Replay:
    """What the messages of granted calls come to: each report of a call counts once."""

    seconds: float = 0.0
    cost: float = 0.0
    calls: int = 0
    live: list[dict[str, Any]] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)

    def reason(self) -> str | None:
        """Why the next call is denied."""
        if self.seconds / 60 >= MINUTES:
            return "quota_minutes"
        if self.calls >= CALLS:
            return "quota_calls"
        return "quota_cost" if self.cost >= COST - 1e-9 else None


@pytest.mark.parametrize("seed", range(4))
async def test_the_quota_equals_a_replay_of_the_messages(
    callgate: Replica, vapi: SandboxVapi, seed: int
) -> None:
    chance = random.Random(seed)
    owner, number = await with_number(callgate, vapi)
    limits = {"minutes": MINUTES, "calls": CALLS, "cost": COST}
    await choose(callgate, owner, "quota", limits)
    replay = Replay()
    denied = 0
    for _ in range(STEPS):
        step = chance.random()
        if replay.live and step < 0.4:
            call = replay.live.pop(chance.randrange(len(replay.live)))
            seconds, cost = chance.randrange(1, 200), chance.randrange(1, 40) / 100
            figures = {"durationSeconds": seconds, "cost": cost, "endedReason": "silence"}
            report = {"message": {**call, "type": "end-of-call-report", **figures}}
            replay.reports.append(report)
            replay.seconds, replay.cost = replay.seconds + seconds, replay.cost + cost
            await callgate.post(report)
        elif replay.reports and step < 0.5:
            await callgate.post(chance.choice(replay.reports))
        else:
            message = vapi.live_call(number, kind="assistant-request")
            answer = (await callgate.post(message)).json
            call_id = message["message"]["call"]["id"]
            recorded = await eventually(partial(callgate.call, call_id))
            reason = recorded["reason"]
            wanted = replay.reason()
            assert reason == (wanted or "plan_active")
            assert ("error" in answer) == (wanted is not None)
            if wanted is None:
                replay.calls += 1
                replay.live.append(message["message"])
            denied += wanted is not None
    assert denied
