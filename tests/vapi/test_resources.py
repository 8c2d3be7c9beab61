"""Views read valid fields, and None where a field has another type."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vapi.calls.view import CallView
from service.vapi.resources import (
    AssistantView,
    PhoneNumberView,
    SquadView,
    ToolView,
    WorkflowView,
)

KEYS = [
    "id",
    "name",
    "orgId",
    "server",
    "serverUrl",
    "url",
    "model",
    "tools",
    "toolIds",
    "toolId",
    "tool",
    "tools:append",
    "function",
    "members",
    "assistantId",
    "assistantVersion",
    "assistant",
    "assistantOverrides",
    "membersOverrides",
    "nodes",
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "https://a.example"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=25,
)


def test_a_phone_number_is_read_by_name_and_kept_whole() -> None:
    raw = {
        "id": "n1",
        "provider": "twilio",
        "number": "+15550100002",
        "name": "front desk",
        "assistantId": "a1",
        "squadId": "s1",
        "workflowId": "w1",
        "server": {"url": "https://a.example", "new": 1},
        "serverUrl": "https://old.example",
        "unknown": {"kept": True},
    }
    view = PhoneNumberView(raw)
    assert (view.id, view.provider, view.number, view.name) == (
        "n1",
        "twilio",
        "+15550100002",
        "front desk",
    )
    assert (view.assistant_id, view.squad_id, view.workflow_id) == ("a1", "s1", "w1")
    assert view.server == {"url": "https://a.example", "new": 1}
    assert view.server_url == "https://old.example"
    assert view.raw["unknown"] == {"kept": True}


def test_a_legacy_url_counts_as_a_server_with_only_a_url() -> None:
    raw = {"server": None, "serverUrl": "https://old.example"}
    assert PhoneNumberView(raw).server == {"url": "https://old.example"}
    assert AssistantView(raw).server == {"url": "https://old.example"}


def test_a_sip_number_is_known_by_its_uri() -> None:
    assert PhoneNumberView({"sipUri": "sip:desk@sip.vapi.ai"}).number == "sip:desk@sip.vapi.ai"


@pytest.mark.parametrize("value", [None, "", 7, [], {}, True])
def test_what_is_no_text_is_absent(value: object) -> None:
    raw = dict.fromkeys(
        ["id", "provider", "number", "name", "assistantId", "squadId", "workflowId", "serverUrl"],
        value,
    )
    view = PhoneNumberView(raw)
    assert {
        view.id,
        view.provider,
        view.number,
        view.name,
        view.assistant_id,
        view.squad_id,
        view.workflow_id,
        view.server_url,
    } == {None}
    assert view.server is None


@pytest.mark.parametrize(
    ("raw", "over"),
    [
        ({"status": "ended"}, True),
        ({"status": "in-progress", "endedAt": "2026-01-01T00:00:00Z"}, True),
        ({"status": "in-progress", "endedAt": None}, False),
        ({"status": "forwarding"}, False),
        ({}, False),
        ({"endedAt": True}, False),
    ],
)
def test_when_a_call_is_over(raw: dict[str, Any], over: bool) -> None:
    assert CallView(raw).is_over is over


@pytest.mark.parametrize("monitor", [None, "x", [], {}, {"controlUrl": 7}, {"controlUrl": ""}])
def test_a_call_may_have_no_control_url(monitor: object) -> None:
    assert CallView({"monitor": monitor}).control_url is None


def test_a_call_has_a_control_url() -> None:
    url = "https://x.vapi.ai/c/control"
    assert CallView({"monitor": {"controlUrl": url}}).control_url == url


def test_where_events_go_and_which_field_says_so() -> None:
    both = AssistantView({"server": {"url": "https://a.example"}, "serverUrl": "https://b.example"})
    assert (both.url, both.url_field) == ("https://a.example", "server.url")
    legacy = AssistantView({"server": {"headers": {}}, "serverUrl": "https://b.example"})
    assert (legacy.url, legacy.url_field) == ("https://b.example", "serverUrl")
    assert AssistantView({"server": {"timeoutSeconds": 20}}).url is None


def test_an_assistant_has_tools_inside_and_saved_ones() -> None:
    view = AssistantView(
        {
            "orgId": "o1",
            "model": {
                "tools": [
                    {"function": {"name": "book"}, "server": {"url": "https://tool.example"}},
                    "odd",
                ],
                "toolIds": ["t1", 7, "", "t2"],
            },
        }
    )
    assert view.org_id == "o1"
    assert [(tool.id, tool.name, tool.url) for tool in view.tools] == [
        (None, "book", "https://tool.example")
    ]
    assert view.tool_ids == ("t1", "t2")
    assert not AssistantView({}).has_model
    assert ToolView({"name": "own", "function": {"name": "other"}}).name == "own"


def test_a_squad_has_members_of_both_kinds_and_two_levels_of_overrides() -> None:
    view = SquadView(
        {
            "id": "s1",
            "members": [
                {"assistantId": "a1", "assistantVersion": "v3"},
                {"assistant": {"name": "Inline", "server": {"url": "https://i.example"}}},
                {
                    "assistantId": "a1",
                    "assistantOverrides": {
                        "server": {"url": "https://o.example"},
                        "tools:append": [{"id": "t1"}],
                    },
                },
                "odd",
            ],
            "membersOverrides": {"server": {"url": "https://all.example"}},
        }
    )
    first, second, third = view.members
    assert (first.assistant_id, first.assistant_version, first.assistant) == ("a1", "v3", None)
    assert second.assistant is not None
    assert second.assistant.url == "https://i.example"
    assert third.overrides.url == "https://o.example"
    assert [tool.id for tool in third.overrides.appended_tools] == ["t1"]
    assert view.overrides.url == "https://all.example"
    assert view.assistant_ids == ("a1",)


def test_a_workflow_has_a_server_and_tools_in_its_nodes() -> None:
    nodes = [
        {"type": "tool", "toolId": "t1"},
        {"type": "tool", "tool": {"server": {"url": "https://t.example"}}},
        {"type": "conversation", "tools": [{"id": "t3"}], "toolIds": ["t2"]},
    ]
    view = WorkflowView({"server": {"url": "https://w.example"}, "nodes": nodes})
    assert view.url == "https://w.example"
    assert view.tool_ids == ("t1", "t2")
    assert [(tool.id, tool.url) for tool in view.tools] == [
        (None, "https://t.example"),
        ("t3", None),
    ]


@given(raw=st.dictionaries(st.sampled_from(KEYS), ANYTHING))
def test_nothing_that_vapi_may_send_raises(raw: dict[str, Any]) -> None:
    for view in (PhoneNumberView(raw), ToolView(raw)):
        assert view.url is None or isinstance(view.url, str)
        assert view.url_field in ("server.url", "serverUrl")
        assert view.org_id is None or isinstance(view.org_id, str)
        assert view.name is None or isinstance(view.name, str)
    for holder in (AssistantView(raw), WorkflowView(raw)):
        assert all(isinstance(tool_id, str) for tool_id in holder.tool_ids)
        assert all(isinstance(tool, ToolView) for tool in holder.tools)
    squad = SquadView(raw)
    assert all(isinstance(item, str) for item in squad.assistant_ids)
    for part in (squad.overrides, *(member.overrides for member in squad.members)):
        assert part.url is None or isinstance(part.url, str)
        assert isinstance(part.appended_tools, tuple)
