"""Answers are plain values in Vapi's words."""

from collections.abc import Callable
from importlib import import_module
from types import MappingProxyType

import pytest

from service.vapi import message_types, replies


def test_a_refusal_is_the_sentence_to_be_spoken() -> None:
    assert replies.refusal("Goodbye.") == {"error": "Goodbye."}


def test_an_answer_is_a_copy_of_what_the_number_answers_with() -> None:
    given = MappingProxyType({"assistantId": "a1", "assistantOverrides": {"metadata": {}}})
    answer = replies.answer(given)
    assert answer == dict(given)
    answer["assistantId"] = "changed"
    assert given["assistantId"] == "a1"


def test_no_answer_is_an_empty_object() -> None:
    assert replies.NO_ANSWER == {}


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("status-update", True),
        ('transcript[transcriptType="final"]', True),
        ("assistant-request", True),
        ("chat.created", False),
        ("new-in-2027", False),
    ],
)
def test_documented_types_of_calls_are_known(kind: str, known: bool) -> None:
    assert message_types.is_known(kind) is known


OWN_SERVER = {"url": "https://gate.example.com/", "headers": {"X-Vapi-Secret": "secret"}}


@pytest.mark.parametrize(("kind", "field"), [("assistantId", "assistant"), ("squadId", "squad")])
def test_overrides_are_read_by_the_types_of_vapis_own_sdk(kind: str, field: str) -> None:
    """The SDK wrongly rejects `backoffPlan.type`, so the server block goes without one here."""
    pytest.importorskip("vapi", reason="vapi_server_sdk is not installed")
    name = "vapi.types.server_message_response_assistant_request"
    model = import_module(name).ServerMessageResponseAssistantRequest
    overrides = replies.Overrides("d-1", OWN_SERVER, 600)
    made = replies.with_overrides({kind: "a-1"}, overrides)
    read = getattr(model.model_validate(made), f"{field}_overrides")
    assert read.metadata == {"callgate_decision_id": "d-1"}
    assert read.server.url == OWN_SERVER["url"]
    assert read.max_duration_seconds == 600
    assert not read.model_extra


@pytest.mark.parametrize(
    "answered",
    [
        {},
        {"assistantId": None},
        {"assistantId": "", "assistantOverrides": []},
        {"assistantId": 7, "assistantOverrides": "x"},
        {"assistantId": ["a"], "assistantOverrides": {"metadata": "x", "server": 5}},
        {"squad": {"members": []}, "squadOverrides": None},
        {"workflowId": "w", "workflowOverrides": {"variableValues": {}}},
    ],
)
def test_hostile_answers_pass_and_lose_nothing(answered: dict[str, object]) -> None:
    made = replies.with_overrides(answered, replies.Overrides("d-1", OWN_SERVER, 600))
    kept = {key: value for key, value in answered.items() if not key.endswith("Overrides")}
    assert made.items() >= kept.items()
    if "workflowId" in answered or not any(answered.values()):
        assert made == answered


@pytest.mark.parametrize(("own", "sent"), [(300, 300), (900, 600), (True, 600), ("60", 600)])
@pytest.mark.parametrize(
    "answered",
    [
        lambda own: {"assistantId": "a", "assistantOverrides": {"maxDurationSeconds": own}},
        lambda own: {"assistant": {"model": {}, "maxDurationSeconds": own}},
        lambda own: {"squadId": "s", "squadOverrides": {"maxDurationSeconds": own}},
    ],
)
def test_a_shorter_limit_of_the_answer_stays(
    answered: Callable[[object], dict[str, object]], own: object, sent: int
) -> None:
    found = replies.with_overrides(answered(own), replies.Overrides(max_duration_seconds=600))
    overrides = found.get("assistantOverrides") or found["squadOverrides"]
    assert isinstance(overrides, dict)
    assert overrides["maxDurationSeconds"] == sent
