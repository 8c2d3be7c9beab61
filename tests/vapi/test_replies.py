"""Answers are plain values in Vapi's words."""

from types import MappingProxyType

import pytest

from service.vapi import replies


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
    assert replies.is_known(kind) is known
