"""A control URL that an own secret proves is used before Vapi is asked about the call."""

from dataclasses import replace
from typing import Any

import pytest

from service.access.enforcement import call_answer, hangup_ladder
from service.domain.calls import HangupState
from service.sandbox.server import SandboxVapi
from tests.access.enforcement.test_hangup_ladder import block, clients

__all__ = ["clients"]


def sent(vapi: SandboxVapi) -> list[str]:
    """The methods of the requests to Vapi in their order: POST commands, GET asks."""
    return [request.method for request in vapi.requests()]


async def test_the_command_goes_out_before_vapi_is_asked(vapi: SandboxVapi, clients: Any) -> None:
    blocked = block(vapi, clients, url_proved=True)
    await blocked.begin()
    assert not vapi.calls[blocked.call_id].live
    assert sent(vapi) == ["POST", "GET"]
    # Vapi says at once that the call is over: the command that ended it is counted before its end.
    assert blocked.records.states == [(HangupState.PENDING, 1)]
    assert [end.proof for end in blocked.records.ends] == ["vapi"]


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"url_proved": True, "goodbye": "Goodbye."},
        {"url_proved": True, "control_url": None},
        {"url_proved": True, "rounds": 1},
    ],
)
async def test_vapi_is_asked_before_any_other_command(
    vapi: SandboxVapi, clients: Any, known: dict[str, Any]
) -> None:
    blocked = block(vapi, clients, **known)
    await (blocked.climb(1) if known.get("rounds") else blocked.begin())
    assert sent(vapi) == ["GET", "POST"]


async def test_a_call_that_talks_on_is_not_commanded_twice_in_a_round(
    vapi: SandboxVapi, clients: Any
) -> None:
    vapi.fail("POST */control", lie=True)
    blocked = block(vapi, clients, url_proved=True)
    found = await blocked.begin()
    assert (found.state, found.retry_after) == (HangupState.PENDING, hangup_ladder.DELAYS[0])
    assert sent(vapi) == ["POST", "GET"]
    assert blocked.records.states == [(HangupState.PENDING, 1)]


async def test_a_url_that_leads_elsewhere_is_made_good_in_the_same_round(
    vapi: SandboxVapi, clients: Any
) -> None:
    other = block(vapi, clients)
    url = other.records.target.control_url
    blocked = block(vapi, clients, url_proved=True, control_url=url)
    await blocked.begin()
    assert not vapi.calls[blocked.call_id].live
    assert blocked.records.states == [(HangupState.PENDING, 2)]


async def test_a_hostile_url_is_passed_over(vapi: SandboxVapi, clients: Any) -> None:
    url = "https://vapi.ai.evil.example/control"
    blocked = block(vapi, clients, url_proved=True, control_url=url)
    await blocked.begin()
    assert not vapi.calls[blocked.call_id].live


async def test_a_control_host_that_hangs_does_not_delay_the_question(
    vapi: SandboxVapi, clients: Any
) -> None:
    """Another replica has ended the call meanwhile: the round ends without an answer to the command,
    which may have arrived."""
    vapi.fail_next("POST */control", stall=5)
    blocked = block(vapi, clients, url_proved=True)
    vapi.hang_up(blocked.call_id)
    await blocked.begin()
    assert blocked.records.states == [(HangupState.PENDING, 1)]
    assert [end.proof for end in blocked.records.ends] == ["vapi"]


async def test_vapi_that_does_not_answer_costs_no_second_command(
    vapi: SandboxVapi, clients: Any
) -> None:
    vapi.fail("GET /call/*", status=500)
    blocked = block(vapi, clients, url_proved=True)
    await blocked.begin()
    assert sent(vapi) == ["POST", "GET"]
    assert not vapi.calls[blocked.call_id].live
    assert blocked.records.states == [(HangupState.PENDING, 1)]


async def test_the_call_of_another_organization_ends_the_round(
    vapi: SandboxVapi, clients: Any
) -> None:
    blocked = block(vapi, clients, url_proved=True)
    vapi.fail_next("POST */control", status=500, times=2)

    async def settle(_call_id: str, _view: object) -> None:
        blocked.records.target = replace(blocked.records.target, vapi_call_id="none")

    blocked.records.settle = settle  # type: ignore[assignment,method-assign]
    assert (await blocked.begin()).state is HangupState.CONFIRMED
    assert blocked.records.states == []
    assert vapi.calls[blocked.call_id].live


async def test_a_command_that_fails_is_repeated_once_on_a_fresh_connection(
    vapi: SandboxVapi, clients: Any
) -> None:
    vapi.fail("POST */control", status=503)
    blocked = block(vapi, clients, url_proved=True)
    await blocked.begin()
    assert sent(vapi) == ["POST", "POST", "GET"]
    assert blocked.records.states == [(HangupState.PENDING, 2)]


async def test_an_answer_that_was_asked_for_ahead_is_used(vapi: SandboxVapi, clients: Any) -> None:
    blocked = block(vapi, clients)
    answer = await blocked.ladder.fetch_state(blocked.call_id)

    async def asked() -> call_answer.CallAnswer:
        return answer

    await blocked.ladder.run_first_round(blocked.records.target, asked())
    assert sent(vapi) == ["GET", "POST"]
