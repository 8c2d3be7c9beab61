"""Forged and real messages in any order, over two replicas: what must hold of every call."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.sandbox.calls import SandboxCall
from service.sandbox.server import SandboxVapi
from tests.support.claims import Rivals, add_rivals, changed
from tests.support.service import Replica, Start, eventually
from tests.support.settings import SECRET, secret_of

Side = Literal["blocked", "paying"]
SIDES: tuple[Side, ...] = ("blocked", "paying")

KINDS: dict[str, dict[str, Any]] = {
    "status": {},
    "speech": {"type": "speech-update"},
    "request": {"type": "assistant-request"},
    "ended": {"status": "ended", "endedReason": "customer-ended-call"},
    "report": {"type": "end-of-call-report", "durationSeconds": 9e6, "cost": 999_999_999},
}
FORGED_ONLY = ("ended", "report")
"""The calls are live: a message that reports their end is a lie."""


@dataclass(frozen=True)
class Step:
    """A message of a call that names an organization, at a replica."""

    call: Side
    names: Side
    kind: str
    replica: int
    pause: bool
    own_secret: bool = False
    """With the secret of the organization that it names, instead of the master."""

    @property
    def forged(self) -> bool:
        return self.call != self.names or self.kind in FORGED_ONLY


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(SIDES),
        st.sampled_from(SIDES),
        st.sampled_from(sorted(KINDS)),
        st.integers(0, 1),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@dataclass
class Story:
    """One live call of each organization."""

    rivals: Rivals
    calls: dict[Side, tuple[SandboxCall, Any]]

    async def post(self, step: Step) -> None:
        """Post a message; a real one is answered by its own organization's decision."""
        _, message = self.calls[step.call]
        number = getattr(self.rivals, f"{step.names}_number")
        sent = changed(message, number, **KINDS[step.kind])
        secret = SECRET
        if step.own_secret:
            secret = secret_of(getattr(self.rivals, step.names))
            if step.call != step.names:
                # The control URL of another organization's call is not known to its holder.
                sent["message"]["call"].pop("monitor", None)
        answer = await self.rivals.replicas[step.replica].post(sent, secret=secret)
        assert answer.status in (200, 403), answer
        if step.pause:
            await asyncio.sleep(0.05)
        if step.forged:
            return
        refused = answer.status == 403 or "error" in (answer.json or {})
        assert refused == (step.call == "blocked"), (step, answer)

    async def check(self) -> None:
        """The blocked call is hung up; the paying one talks, and both are their organizations'."""
        (blocked, _), (paying, _) = self.calls["blocked"], self.calls["paying"]
        await self.rivals.hung_up(blocked, 15.0)
        stored = await self.rivals.owned(blocked, self.rivals.blocked)
        for replica in self.rivals.replicas:
            await eventually(partial(self.refuses, replica), 10.0)
        assert (stored["blocked"], stored["status"]) == (True, "failed")
        assert (stored["cost"] or 0) < 100
        await self.rivals.settled(paying)
        stored = await self.rivals.owned(paying, self.rivals.paying)
        assert (stored["blocked"], stored["hangup"]) == (False, None)
        assert (stored["cost"] or 0) < 100
        assert paying.live
        assert [one for one in self.rivals.vapi.hangups if one.call_id == paying.id] == []

    async def refuses(self, replica: Replica) -> bool:
        """Whether a replica refuses a forged message of the blocked call, whatever came to it."""
        _, message = self.calls["blocked"]
        forged = changed(message, self.rivals.paying_number)
        return bool((await replica.post(forged)).status == 403)


async def tell(rivals: Rivals, steps: list[Step]) -> None:
    """Run the steps, end with a real message of each call, and check."""
    blocked, paying = (rivals.call(getattr(rivals, f"{side}_number")) for side in SIDES)
    story = Story(rivals, {"blocked": blocked, "paying": paying})
    for step in [*steps, *(Step(side, side, "status", 0, pause=False) for side in SIDES)]:
        await story.post(step)
    await story.check()


# The replicas draw random pauses in the loop's thread while this one draws a story.
@pytest.mark.filterwarnings("ignore:Do not use the .random. module")
async def test_no_message_opens_a_blocked_call_or_stops_a_paying_one(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    rivals = await add_rivals(vapi, await start_replica(), await start_replica())
    loop = asyncio.get_running_loop()

    @settings(
        max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(STEPS)
    def run(steps: list[Step]) -> None:
        asyncio.run_coroutine_threadsafe(tell(rivals, steps), loop).result(60)

    await asyncio.to_thread(run)
