"""Assistants, squads and workflows that take a number's events away: reported, or repaired where the
organization owns the assistant, and put back as they were."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.reconcile.steps.assistants.helpers import (
    SERVER,
    THEIRS,
    add_assistant,
    get,
    ours,
    sweep,
    writes,
)
from tests.support.service import Replica


def by_assistant(vapi: SandboxVapi) -> tuple[dict[str, Any], str]:
    assistant = add_assistant(vapi)
    return {"assistantId": assistant}, (
        f'Clear `server.url` of assistant "Order taker" ({assistant}): the phone number\'s server '
        "then counts."
    )


def by_legacy_field(vapi: SandboxVapi) -> tuple[dict[str, Any], str]:
    assistant = add_assistant(vapi, server=None, serverUrl=THEIRS)
    return {"assistantId": assistant}, (
        f'Clear `serverUrl` of assistant "Order taker" ({assistant}): the phone number\'s server '
        "then counts."
    )


def by_squad(vapi: SandboxVapi, member: dict[str, Any], step: str, **fields: Any) -> Any:
    squad = vapi.add_squad(name="Team", members=[member], **fields)
    named = f'squad "Team" ({squad["id"]})'
    return {"squadId": squad["id"]}, step.format(squad=named)


def by_saved_member(vapi: SandboxVapi) -> tuple[dict[str, Any], str]:
    assistant = add_assistant(vapi)
    squad = vapi.add_squad(
        name="Team",
        members=[{"assistantId": add_assistant(vapi, server=None)}, {"assistantId": assistant}],
    )
    return {"squadId": squad["id"]}, (
        f'Clear `server.url` of assistant "Order taker" ({assistant}): the phone number\'s server '
        "then counts."
    )


def by_inline_member(vapi: SandboxVapi) -> Any:
    return by_squad(
        vapi,
        {"assistant": {"name": "Inline", "server": SERVER}},
        "Clear `members[0].assistant.server.url` of {squad}: the phone number's server then counts.",
    )


def by_overridden_member(vapi: SandboxVapi) -> Any:
    member = {
        "assistantId": add_assistant(vapi, server=None),
        "assistantOverrides": {"server": SERVER},
    }
    step = (
        "Set `members[0].assistantOverrides.server.url` of {squad} to URL, with the headers of the"
    )
    return by_squad(vapi, member, f"{step} phone number's server.")


def by_overridden_squad(vapi: SandboxVapi) -> Any:
    member = {"assistantId": add_assistant(vapi, server=None)}
    step = "Set `membersOverrides.server.url` of {squad} to URL, with the headers of the phone"
    return by_squad(vapi, member, f"{step} number's server.", membersOverrides={"server": SERVER})


def by_workflow(vapi: SandboxVapi) -> tuple[dict[str, Any], str]:
    workflow = vapi.add_workflow(name="Flow", server=dict(SERVER))["id"]
    return {"workflowId": workflow}, (
        f'Clear `server.url` of workflow "Flow" ({workflow}): the phone number\'s server then counts.'
    )


SHADOWS: Mapping[str, Callable[[SandboxVapi], tuple[dict[str, Any], str]]] = {
    "assistant": by_assistant,
    "legacy field": by_legacy_field,
    "saved member": by_saved_member,
    "inline member": by_inline_member,
    "overridden member": by_overridden_member,
    "overridden squad": by_overridden_squad,
    "workflow": by_workflow,
}


@pytest.mark.parametrize("kind", SHADOWS)
async def test_a_shadow_that_is_not_ours_to_change_is_explained(
    callgate: Replica, vapi: SandboxVapi, kind: str
) -> None:
    """By the pass over the number, and by a sweep that finds it later; nothing is written."""
    bound, remedy = SHADOWS[kind](vapi)
    remedy = remedy.replace("URL", ours(callgate))
    organization = await callgate.add_organization()
    at_once = await callgate.add_number(organization, vapi.add_number(**bound)["id"])
    later_id = vapi.add_number()["id"]
    later = await callgate.add_number(organization, later_id)
    assert later["sync"]["state"] == "in_sync"
    vapi.edit_number(later_id, **bound)
    before = writes(vapi)
    report = await sweep(callgate)
    assert (report["drifted"], report["shadowed"], report["repairs"]) == (2, 2, [])
    for number in at_once, later:
        sync = (await get(callgate, number))["sync"]
        assert (sync["state"], sync["level"], sync["last_error"]) == (
            "shadowed",
            "phone_number",
            remedy,
        )
        assert [entry["observed"] for entry in sync["drift"]] == [THEIRS]
        assert [entry["desired"] for entry in sync["drift"]] == [ours(callgate)]
    route = (await callgate.api("GET", f"/phone-numbers/{later['id']}/route")).json
    assert (route["reaches_us"], route["remedy"]) == (False, remedy)
    assert writes(vapi) == before
    # Once an admin did what the remedy says, the next sweep sees it.
    vapi.edit_number(later_id, assistantId=None, squadId=None, workflowId=None)
    await sweep(callgate)
    assert (await get(callgate, later))["sync"]["state"] == "in_sync"
