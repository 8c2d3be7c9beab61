"""The ladder against every kind of failure at Vapi, one round at a time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from pydantic import SecretStr

from service.access.enforcement.hangup_ladder import DELAYS, HangupLadder
from service.domain.calls import CallEnd, HangupState
from service.domain.priority import Priority
from service.sandbox.server import SandboxVapi
from service.store.calls.hangups import HangupTarget, RoundResult
from service.vapi.calls.view import CallView
from service.vapi.client import VapiClient
from service.vapi.control import ControlClient


@dataclass
class OneRecord:
    """The state of one call's hang-up, in memory."""

    target: HangupTarget
    states: list[tuple[HangupState, int]] = field(default_factory=list)
    ends: list[CallEnd] = field(default_factory=list)

    async def find(self, vapi_call_id: str) -> HangupTarget | None:
        return self.target if vapi_call_id == self.target.vapi_call_id else None

    async def claim(self, vapi_call_id: str) -> bool:
        return vapi_call_id == self.target.vapi_call_id

    async def record_goodbye(self, vapi_call_id: str, seconds: float) -> bool:
        self.target = replace(self.target, goodbye=None)
        return True

    async def record(self, vapi_call_id: str, result: RoundResult) -> bool:
        accepted = self.target.hangup_accepted or result.accepted
        self.target = replace(self.target, hangup_accepted=accepted, rounds=result.rounds)
        self.states.append((result.state, result.attempts))
        return True

    async def record_end(self, end: CallEnd) -> None:
        self.ends.append(end)

    async def settle(self, vapi_call_id: str, view: CallView) -> None:
        """No other organization claims the call."""

    def owns(self, organization_id: UUID | None, view: CallView) -> bool:
        return organization_id == self.target.organization_id


async def at_once(_priority: Priority) -> None:
    """No budget to wait for."""


@pytest.fixture
async def clients(vapi: SandboxVapi) -> AsyncIterator[tuple[VapiClient, ControlClient]]:
    control = ControlClient([vapi.base_url])
    async with aiohttp.ClientSession() as session:
        yield VapiClient(session, vapi.base_url, SecretStr(vapi.api_key), at_once), control
    await control.close()


@dataclass
class Blocked:
    """A blocked call in the sandbox, and a ladder for it."""

    call_id: str
    records: OneRecord
    ladder: HangupLadder

    async def climb(self, rounds: int = 0) -> Any:
        self.records.target = replace(self.records.target, rounds=rounds)
        return await self.ladder.climb(self.call_id)

    async def begin(self) -> Any:
        """The first round, of the replica that recorded the call."""
        return await self.ladder.run_first_round(self.records.target)


def block(vapi: SandboxVapi, clients: Any, **changes: Any) -> Blocked:
    call = vapi.live_call(vapi.add_number(provider="vapi")["id"])["message"]["call"]
    given = {
        "vapi_call_id": call["id"],
        "organization_id": UUID(int=1),
        "control_url": call["monitor"]["controlUrl"],
        "end_proved": False,
        "hangup_state": HangupState.PENDING,
        "hangup_attempts": 0,
        "gate": "event",
    }
    records = OneRecord(HangupTarget(**{**given, **changes}))
    client, control = clients
    return Blocked(call["id"], records, HangupLadder(client, control, records))


async def test_an_accepted_command_is_verified_later(vapi: SandboxVapi, clients: Any) -> None:
    blocked = block(vapi, clients)
    first = await blocked.climb()
    assert (first.state, first.retry_after) == (HangupState.PENDING, DELAYS[0])
    assert not vapi.calls[blocked.call_id].live
    assert (await blocked.climb(1)).state is HangupState.CONFIRMED
    assert blocked.records.states == [(HangupState.PENDING, 1)]
    assert [end.proof for end in blocked.records.ends] == ["vapi"]


@pytest.mark.parametrize("fault", [{"status": 500}, {"stall": 5}, {"reset": True}])
async def test_a_fresh_connection_gets_through(
    vapi: SandboxVapi, clients: Any, fault: dict[str, Any]
) -> None:
    vapi.fail_next("POST */control", **fault)
    blocked = block(vapi, clients)
    await blocked.climb()
    assert not vapi.calls[blocked.call_id].live
    assert blocked.records.states == [(HangupState.PENDING, 2)]


async def test_without_a_control_url_vapi_is_asked_for_it(vapi: SandboxVapi, clients: Any) -> None:
    blocked = block(vapi, clients, control_url=None)
    await blocked.climb()
    assert not vapi.calls[blocked.call_id].live


async def test_a_call_that_is_over_is_left_alone(vapi: SandboxVapi, clients: Any) -> None:
    blocked = block(vapi, clients, end_proved=True)
    assert (await blocked.climb()).state is HangupState.CONFIRMED
    assert vapi.requests() == []


@pytest.mark.parametrize(
    ("known", "over"),
    [
        ({"age": 59.0, "hangup_accepted": True}, False),
        ({"age": 61.0}, False),
        ({"age": 61.0, "hangup_accepted": True}, True),
        ({"age": 61.0, "listed": True}, True),
    ],
)
async def test_a_call_that_vapi_does_not_know_is_over_once_that_proves_something(
    vapi: SandboxVapi, clients: Any, known: dict[str, Any], *, over: bool
) -> None:
    blocked = block(vapi, clients, control_url=None, **known)
    del vapi.calls[blocked.call_id]
    await blocked.climb(1)
    assert [end.proof for end in blocked.records.ends] == (["missing"] if over else [])


async def test_nobody_answers_until_it_is_given_up(vapi: SandboxVapi, clients: Any) -> None:
    blocked = block(vapi, clients)
    await vapi.down()
    for rounds in range(len(DELAYS)):
        found = await blocked.climb(rounds)
        assert (found.state, found.retry_after) == (HangupState.PENDING, DELAYS[rounds])
    given_up = await blocked.climb(len(DELAYS))
    assert given_up.retry_after is None
    assert given_up.state is HangupState.FAILED


async def test_a_control_host_that_lies_to_the_end_leaves_it_unconfirmed(
    vapi: SandboxVapi, clients: Any
) -> None:
    vapi.fail("POST */control", lie=True)
    blocked = block(vapi, clients)
    assert (await blocked.climb(len(DELAYS))).state is HangupState.UNCONFIRMED
    assert vapi.calls[blocked.call_id].live


async def test_a_hostile_url_is_passed_over_for_the_true_one(
    vapi: SandboxVapi, clients: Any
) -> None:
    blocked = block(vapi, clients, control_url="https://vapi.ai.evil.example/control")
    await blocked.climb()
    assert not vapi.calls[blocked.call_id].live


class Withdrawn(OneRecord):
    """Another replica learns that the call may go on while Vapi is asked about it."""

    found = 0

    async def find(self, vapi_call_id: str) -> HangupTarget | None:
        self.found += 1
        return await super().find(vapi_call_id) if self.found == 1 else None


async def test_a_hang_up_that_is_withdrawn_while_vapi_is_asked_sends_no_command(
    vapi: SandboxVapi, clients: Any
) -> None:
    blocked = block(vapi, clients, owner_checked=True, rounds=1)
    records = Withdrawn(blocked.records.target)
    ladder = replace(blocked.ladder, records=records)
    assert (await ladder.climb(blocked.call_id)).retry_after is None
    assert vapi.calls[blocked.call_id].live
    assert records.states == []


class Restarted(OneRecord):
    """A message restarts the hang-up while its last round runs."""

    async def record(self, vapi_call_id: str, result: RoundResult) -> bool:
        return False


async def test_a_last_round_gives_up_no_hang_up_that_was_restarted(
    vapi: SandboxVapi, clients: Any
) -> None:
    blocked = block(vapi, clients, rounds=len(DELAYS))
    await vapi.down()
    ladder = replace(blocked.ladder, records=Restarted(blocked.records.target))
    found = await ladder.climb(blocked.call_id)
    assert found.state is HangupState.PENDING
    assert found.retry_after is not None
