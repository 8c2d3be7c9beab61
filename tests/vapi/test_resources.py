"""Views read what is there, and read nothing where there is something else."""

from typing import Any

import pytest

from service.vapi.resources import AssistantView, CallView, PhoneNumberPage, PhoneNumberView


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


@pytest.mark.parametrize(
    ("metadata", "count", "has_next"),
    [
        ({"hasNextPage": True}, 2, True),
        ({"hasNextPage": False, "totalItems": 99}, 2, False),
        ({"totalItems": 5}, 2, True),
        ({"totalItems": 4}, 2, False),
        ({"totalItems": 99}, 0, False),
        (None, 2, True),
        (None, 1, False),
    ],
)
def test_whether_a_page_is_the_last(metadata: object, count: int, has_next: bool) -> None:
    results = [{"id": f"n{place}"} for place in range(count)]
    page = PhoneNumberPage.parse({"results": results, "metadata": metadata}, page=2, limit=2)
    assert page is not None
    assert [view.id for view in page.numbers] == [item["id"] for item in results]
    assert page.has_next is has_next


@pytest.mark.parametrize("raw", [{}, {"results": None}, {"results": {}}, {"results": ["n1"]}])
def test_what_is_no_page_is_none(raw: dict[str, Any]) -> None:
    assert PhoneNumberPage.parse(raw, page=1, limit=2) is None
