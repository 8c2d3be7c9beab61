"""The effective route: who really gets a number's events, who shadows us, and what to do about it."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from service.reconcile.steps.route import Bound, repairable, route_of
from service.vapi.resources import (
    AssistantView,
    PhoneNumberView,
    SquadView,
    ToolView,
    WorkflowView,
)

OURS = "https://calls.agency.net/api/vapi/webhook"
THEIRS = "https://theirs.example.net/vapi"
Json = dict[str, Any]


def server(url: str | None) -> Json:
    return {"server": {"url": url}} if url else {}


def number(url: str | None = OURS, **fields: Any) -> PhoneNumberView:
    return PhoneNumberView({"id": "n1", "name": "Desk", **server(url), **fields})


def assistants(**found: Json) -> dict[str, AssistantView]:
    return {
        key: AssistantView({"id": key, "name": f"Assistant {key}"} | raw)
        for key, raw in found.items()
    }


def squad(*members: Json, **fields: Any) -> SquadView:
    return SquadView({"id": "s1", "name": "Team", "members": list(members), **fields})


OWN, PLAIN, OF_US = server(THEIRS), server(None), server(OURS)
BY_ASSISTANT, BY_SQUAD = number(assistantId="a1"), number(squadId="s1")
BY_WORKFLOW = number(workflowId="w1")
A1, A2 = {"assistantId": "a1"}, {"assistantId": "a2"}
OVER = {"assistantOverrides": OWN}


@dataclass(frozen=True)
class Case:
    """`listeners` and `shadows` are levels and ids; `remedy` is a part of the sentence."""

    number: PhoneNumberView
    bound: Bound
    listeners: list[tuple[str, str | None]]
    shadows: list[tuple[str, str | None]] = field(default_factory=list)
    reaches_us: bool = False
    repairable: tuple[str, ...] = ()
    remedy: str | None = None


NUMBER = ("phone_number", "n1")
CASES = {
    "nothing is bound": Case(number(), Bound({}), [NUMBER, NUMBER], reaches_us=True),
    "nothing is bound and the number posts elsewhere": Case(
        number(THEIRS),
        Bound({}),
        [NUMBER, NUMBER],
        remedy=f'Set `server.url` of phone number "Desk" (n1) to {OURS}',
    ),
    "nobody names a server": Case(
        number(None),
        Bound({}),
        [("organization", None), ("organization", None)],
        remedy=f"to {OURS}",
    ),
    "an assistant without a server": Case(
        BY_ASSISTANT, Bound(assistants(a1=PLAIN)), [NUMBER], reaches_us=True
    ),
    "an assistant without a server and the number posts elsewhere": Case(
        number(THEIRS, assistantId="a1"),
        Bound(assistants(a1=PLAIN)),
        [NUMBER],
        remedy="syncing the number does that",
    ),
    "an assistant with its own server": Case(
        BY_ASSISTANT,
        Bound(assistants(a1=OWN)),
        [("assistant", "a1")],
        [("assistant", "a1")],
        repairable=("a1",),
        remedy='Clear `server.url` of assistant "Assistant a1" (a1)',
    ),
    "an assistant with the legacy field": Case(
        BY_ASSISTANT,
        Bound(assistants(a1={"serverUrl": THEIRS})),
        [("assistant", "a1")],
        [("assistant", "a1")],
        repairable=("a1",),
        remedy='Clear `serverUrl` of assistant "Assistant a1" (a1)',
    ),
    "an assistant that posts to us although the number does not": Case(
        number(THEIRS, assistantId="a1"),
        Bound(assistants(a1=OF_US)),
        [("assistant", "a1")],
        reaches_us=True,
    ),
    "a shadow, and the number posts elsewhere": Case(
        number(THEIRS, assistantId="a1"),
        Bound(assistants(a1=OWN)),
        [("assistant", "a1")],
        [("assistant", "a1")],
        repairable=("a1",),
        remedy='counts. Set `server.url` of phone number "Desk" (n1)',
    ),
    "an assistant that could not be read": Case(
        BY_ASSISTANT,
        Bound({}),
        [("assistant", "a1"), NUMBER],
        [("assistant", "a1")],
        remedy="Check that assistant (a1) exists at Vapi",
    ),
    "a number with the legacy field": Case(
        number(None, serverUrl=OURS), Bound({}), [NUMBER, NUMBER], reaches_us=True
    ),
    "a squad without servers": Case(
        BY_SQUAD,
        Bound(assistants(a1=PLAIN, a2=PLAIN), squad(A1, A2)),
        [NUMBER],
        reaches_us=True,
    ),
    "a squad's saved member": Case(
        BY_SQUAD,
        Bound(assistants(a1=PLAIN, a2=OWN), squad(A1, A2)),
        [("assistant", "a2"), NUMBER],
        [("assistant", "a2")],
        repairable=("a2",),
        remedy='`server.url` of assistant "Assistant a2" (a2)',
    ),
    "two saved members of a squad": Case(
        BY_SQUAD,
        Bound(assistants(a1=OWN, a2=OWN), squad(A1, A2, A1)),
        [("assistant", "a1"), ("assistant", "a2")],
        [("assistant", "a1"), ("assistant", "a2")],
        repairable=("a1", "a2"),
        remedy="(a1): the phone number's server then counts. Clear",
    ),
    "a member's overrides": Case(
        BY_SQUAD,
        Bound(assistants(a1=OF_US), squad(A1 | OVER)),
        [("squad_member", "s1")],
        [("squad_member", "s1")],
        remedy=f'Set `members[0].assistantOverrides.server.url` of squad "Team" (s1) to {OURS}',
    ),
    "a member's overrides of ours over an assistant that shadows": Case(
        BY_SQUAD,
        Bound(assistants(a1=OWN), squad(A1 | {"assistantOverrides": OF_US})),
        [("squad_member", "s1")],
        reaches_us=True,
    ),
    "an inline member": Case(
        BY_SQUAD,
        Bound(assistants(a1=PLAIN), squad(A1, {"assistant": OWN})),
        [("squad_member", "s1"), NUMBER],
        [("squad_member", "s1")],
        remedy='Clear `members[1].assistant.server.url` of squad "Team" (s1)',
    ),
    "a mendable member and one that is not": Case(
        BY_SQUAD,
        Bound(assistants(a1=OWN), squad(A1, {"assistant": OWN})),
        [("assistant", "a1"), ("squad_member", "s1")],
        [("assistant", "a1"), ("squad_member", "s1")],
        remedy="members[1].assistant.server.url",
    ),
    "a squad's overrides for all": Case(
        BY_SQUAD,
        Bound(assistants(a1=OF_US), squad(A1 | OVER, membersOverrides={"serverUrl": THEIRS})),
        [("squad", "s1")],
        [("squad", "s1")],
        remedy=f'Set `membersOverrides.server.url` of squad "Team" (s1) to {OURS}',
    ),
    "a squad's overrides of ours for all": Case(
        BY_SQUAD,
        Bound({}, squad(A1, A2 | OVER, membersOverrides=OF_US)),
        [("squad", "s1")],
        reaches_us=True,
    ),
    "a member pinned to a version": Case(
        BY_SQUAD,
        Bound(assistants(a1=PLAIN), squad(A1 | {"assistantVersion": "v3"})),
        [("squad_member", "s1"), NUMBER],
        [("squad_member", "s1")],
        remedy="Set `members[0].assistantOverrides.server.url`",
    ),
    "a member that names nobody": Case(
        BY_SQUAD,
        Bound({}, squad({"assistantId": 7})),
        [("squad_member", "s1"), NUMBER],
        [("squad_member", "s1")],
        remedy="members[0]",
    ),
    "a squad that could not be read": Case(
        BY_SQUAD,
        Bound(assistants(a1=PLAIN)),
        [("squad", "s1"), NUMBER],
        [("squad", "s1")],
        remedy="Check that squad (s1) exists",
    ),
    "a workflow without a server": Case(
        BY_WORKFLOW, Bound({}, workflow=WorkflowView({"id": "w1"})), [NUMBER], reaches_us=True
    ),
    "a workflow with its own server": Case(
        BY_WORKFLOW,
        Bound({}, workflow=WorkflowView({"id": "w1", "name": "Flow"} | OWN)),
        [("workflow", "w1")],
        [("workflow", "w1")],
        remedy='Clear `server.url` of workflow "Flow" (w1)',
    ),
    "a workflow that could not be read": Case(
        BY_WORKFLOW,
        Bound({}),
        [("workflow", "w1"), NUMBER],
        [("workflow", "w1")],
        remedy="Check that workflow (w1) exists",
    ),
    "tools that post elsewhere, saved and inline": Case(
        BY_ASSISTANT,
        Bound(
            assistants(
                a1={
                    "model": {
                        "tools": [{"function": {"name": "book"}} | OWN, {"type": "endCall"}],
                        "toolIds": ["t1", "t2", "t3"],
                    }
                }
            ),
            tools={"t1": ToolView({"id": "t1"} | OWN), "t2": ToolView({"id": "t2"})},
        ),
        [("tool", None), ("tool", "t1"), ("tool", "t3"), NUMBER],
        reaches_us=True,
    ),
    "a URL that is almost ours": Case(
        number(OURS + "/"), Bound({}), [NUMBER, NUMBER], remedy=f"to {OURS}:"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_route_of(case: Case) -> None:
    route = route_of(OURS, case.number, case.bound)
    assert [(item.level, item.vapi_id) for item in route.listeners] == case.listeners
    assert [(item.level, item.vapi_id) for item in route.shadows] == case.shadows
    assert route.reaches_us is case.reaches_us
    assert repairable(route) == case.repairable
    assert (route.remedy is None) is case.reaches_us
    assert (case.remedy or "") in (route.remedy or "")
    assert all(item.why.endswith(".") for item in route.listeners)
    assert set(route.unread) == {item for item in route.shadows if item.url is None}


def test_only_without_anything_attached_vapi_asks_who_answers() -> None:
    asked = route_of(OURS, number(), Bound({}))
    assert asked.answered_by == "assistant_request"
    assert [item.events for item in asked.listeners] == ["assistant-request", "call events"]
    for bound_number, kind in (
        (BY_ASSISTANT, "assistant"),
        (BY_SQUAD, "squad"),
        (BY_WORKFLOW, "workflow"),
    ):
        route = route_of(OURS, bound_number, Bound({}))
        assert route.answered_by == kind
        assert {item.events for item in route.listeners} == {"call events"}


def test_overrides_with_a_model_bring_their_own_tools() -> None:
    tools = {key: ToolView({"id": key} | OWN) for key in ("t1", "t2", "t3")}
    members: list[Json] = [
        A1 | {"assistantOverrides": {"model": {"toolIds": ["t2"]}}},
        A2 | {"assistantOverrides": {"tools:append": [{"id": "t3"} | OWN]}},
    ]
    found = assistants(a1={"model": {"toolIds": ["t1"]}}, a2=PLAIN)
    route = route_of(OURS, BY_SQUAD, Bound(found, squad(*members), tools=tools))
    asked = [item.vapi_id for item in route.listeners if item.level == "tool"]
    assert sorted(asked, key=str) == ["t2", "t3"]
    everywhere = {"model": {"toolIds": ["t3"]}}
    route = route_of(
        OURS, BY_SQUAD, Bound(found, squad(A1, membersOverrides=everywhere), tools=tools)
    )
    assert [item.vapi_id for item in route.listeners if item.level == "tool"] == ["t3"]
