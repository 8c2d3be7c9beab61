"""The effective route of any number, and that the stand-in for Vapi sends where it says."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.reconcile.steps.route import Bound, Route, repairable, route_of
from service.sandbox.delivery import choose_server
from service.sandbox.server import SandboxVapi
from service.vapi.resources import AssistantView, PhoneNumberView, SquadView, WorkflowView

OURS = "https://calls.agency.net/api/vapi/webhook"
THEIRS = "https://theirs.example.net/vapi"
Json = dict[str, Any]


def server(url: str | None) -> Json:
    return {"server": {"url": url}} if url else {}


def known(found: dict[str, Json]) -> dict[str, AssistantView]:
    return {key: AssistantView(raw) for key, raw in found.items()}


URLS = st.sampled_from([None, OURS, THEIRS])
MEMBERS = st.lists(
    st.tuples(st.booleans(), URLS, URLS), min_size=1, max_size=4
)  # saved or inline, its own server, the overriding one


@given(at_number=URLS, members=MEMBERS, for_all=URLS)
def test_each_member_posts_to_the_first_server_of_its_line(
    at_number: str | None, members: list[tuple[bool, str | None, str | None]], for_all: str | None
) -> None:
    found: dict[str, Json] = {}
    rows, posts_to = [], []
    for place, (saved, own, over) in enumerate(members):
        row = {"assistantId": f"a{place}"} if saved else {"assistant": server(own)}
        if saved:
            found[f"a{place}"] = server(own)
        rows.append(row | {"assistantOverrides": server(over)})
        posts_to.append(for_all or over or own or at_number)
    view = SquadView({"id": "s1", "members": rows, "membersOverrides": server(for_all)})
    line = {"id": "n1", "squadId": "s1"} | server(at_number)
    route = route_of(OURS, PhoneNumberView(line), Bound(known(found), view))
    assert {item.url for item in route.listeners} == set(posts_to)
    assert route.reaches_us is all(url == OURS for url in posts_to)
    mended = repairable(route)
    if mended:
        for assistant_id in mended:
            found[assistant_id] = server(OURS)
        after = route_of(OURS, PhoneNumberView(line | server(OURS)), Bound(known(found), view))
        assert after.reaches_us
        assert repairable(after) == ()


WRONG = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a1", THEIRS]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "server",
                    "url",
                    "assistantId",
                    "assistant",
                    "assistantOverrides",
                    "model",
                    "tools",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
SHAPES = st.dictionaries(
    st.sampled_from(
        [
            "id",
            "name",
            "server",
            "serverUrl",
            "assistantId",
            "squadId",
            "workflowId",
            "members",
            "membersOverrides",
            "nodes",
            "model",
        ]
    ),
    WRONG,
)


@given(at_number=SHAPES, assistant=SHAPES, team=SHAPES, flow=SHAPES, read=st.booleans())
def test_any_shapes_have_a_route(
    at_number: Json, assistant: Json, team: Json, flow: Json, read: bool
) -> None:
    view = PhoneNumberView(at_number)
    found = {view.assistant_id or "": AssistantView(assistant)} if read else {}
    route = route_of(OURS, view, Bound(found, SquadView(team), WorkflowView(flow)))
    calls = [item for item in route.listeners if item.events != "tool calls"]
    assert calls
    assert route.reaches_us is all(item.ours for item in calls)
    assert route.reaches_us is (route.remedy is None)
    assert set(route.shadows) <= set(calls)
    assert not any(item.level in ("phone_number", "organization") for item in route.shadows)


def real_route(vapi: SandboxVapi, number_id: str) -> Route:
    """The route of a number in the sandbox, everything read."""
    view = PhoneNumberView(vapi.numbers.records[number_id].data)
    team, flow = vapi.squads.find(view.squad_id), vapi.workflows.find(view.workflow_id)
    return route_of(
        OURS,
        view,
        Bound(
            {item["id"]: AssistantView(item) for item in vapi.assistants},
            SquadView(team) if team else None,
            WorkflowView(flow) if flow else None,
        ),
    )


@pytest.mark.parametrize("at_number", [None, THEIRS])
@pytest.mark.parametrize(
    "attach",
    [
        lambda vapi: {"assistantId": vapi.add_assistant()["id"]},
        lambda vapi: {"assistantId": vapi.add_assistant(**server("https://a.invalid/"))["id"]},
        lambda vapi: {"workflowId": vapi.add_workflow(**server("https://w.invalid/"))["id"]},
        lambda vapi: {
            "squadId": vapi.add_squad(
                members=[
                    {
                        "assistantId": vapi.add_assistant(**server("https://a.invalid/"))["id"],
                        "assistantOverrides": server("https://o.invalid/"),
                    }
                ]
            )["id"]
        },
        lambda vapi: {
            "squadId": vapi.add_squad(
                members=[{"assistant": server("https://i.invalid/")}],
                membersOverrides=server("https://m.invalid/"),
            )["id"]
        },
    ],
)
async def test_the_sandbox_sends_where_the_route_says(
    vapi: SandboxVapi, attach: Callable[[SandboxVapi], Json], at_number: str | None
) -> None:
    made = vapi.add_number(**server(at_number), **attach(vapi))
    call_id = vapi.live_call(made["id"])["message"]["call"]["id"]
    (listener,) = real_route(vapi, made["id"]).listeners
    board, call = vapi.switchboard, vapi.calls[call_id]
    sent = choose_server(call, board.number_of(call), board.org_server, board.joined(call))
    assert (sent or {}).get("url") == listener.url
