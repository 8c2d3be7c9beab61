"""Our URL at Vapi, as a person or a tool may have spelled it, is ours: in routes and in coverage."""

from typing import Any

import pytest

from service.reconcile.coverage import at_vapi
from service.reconcile.steps.route import Bound, repairable, route_of
from service.vapi.resources import AssistantView, PhoneNumberView

OURS = "https://calls.agency.net/api/vapi/webhook"
THEIRS = "https://theirs.example.net/vapi"
SPELLINGS = (
    "HTTPS://Calls.Agency.NET/api/vapi/webhook",
    "https://calls.agency.net:443/api/vapi/webhook",
    "https://calls.agency.net/api/%76api/webhook",
)
Json = dict[str, Any]

pytestmark = pytest.mark.parametrize("spelled", SPELLINGS)


def number(url: str, **fields: Any) -> PhoneNumberView:
    return PhoneNumberView({"id": "n1", "name": "Desk", "server": {"url": url}, **fields})


def bound(**fields: Any) -> Bound:
    """An assistant `a1` with these fields."""
    return Bound({"a1": AssistantView({"id": "a1", "name": "Order taker", **fields})})


def test_a_number_posts_to_us(spelled: str) -> None:
    route = route_of(OURS, number(spelled), Bound({}))
    assert route.reaches_us
    assert route.remedy is None
    assert all(one.ours for one in route.listeners)


def test_an_assistant_shadows_nothing(spelled: str) -> None:
    route = route_of(OURS, number(THEIRS, assistantId="a1"), bound(server={"url": spelled}))
    assert route.reaches_us
    assert not route.shadows
    assert not repairable(route)


def test_a_tool_of_ours_is_ours(spelled: str) -> None:
    tools = {"tools": [{"server": {"url": spelled}}]}
    route = route_of(OURS, number(OURS, assistantId="a1"), bound(model=tools))
    assert [one.ours for one in route.listeners if one.level == "tool"] == [True]


def test_a_remedy_does_not_ask_for_a_url_that_is_there(spelled: str) -> None:
    route = route_of(OURS, number(spelled, assistantId="a1"), bound(server={"url": THEIRS}))
    assert route.remedy is not None
    assert OURS not in route.remedy


def test_coverage_knows_it(spelled: str) -> None:
    plain = at_vapi(OURS, number(spelled), Bound({}))
    assert (plain.number_is_ours, plain.reaches_us, plain.why_not) == (True, True, ())
    found = at_vapi(OURS, number(OURS, assistantId="a1"), bound(server={"url": spelled}))
    assert [one.ours for one in found.answering] == [True]
