"""Builds our answers to Vapi's messages. Pure; the decision is made elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.vapi.message_types import ASSISTANT_REQUEST

TRANSFER = "transfer-destination-request"

NO_ANSWER: dict[str, object] = {}
"""The body for a message that expects only a status code."""

OVERRIDDEN = (
    ("assistantId", "assistantOverrides"),
    ("assistant", "assistantOverrides"),
    ("squadId", "squadOverrides"),
    ("squad", "squadOverrides"),
)
"""The fields that answer a call, each with the field that overrides it for this call."""

ANSWERS = (
    "error",
    "destination",
    "assistantId",
    "assistant",
    "squadId",
    "squad",
    "workflowId",
    "workflow",
)


def refusal(sentence: str) -> dict[str, object]:
    """Refuse an assistant-request: Vapi speaks the sentence and ends the call."""
    return {"error": sentence}


def eligible(value: bool) -> dict[str, object]:
    """Answer a campaign.predial: whether the call may be dialled."""
    return {"eligible": value}


def answer(answer_with: Mapping[str, object]) -> dict[str, object]:
    """Answer a granted assistant-request in Vapi's own words."""
    return dict(answer_with)


def fallback(kind: str, chosen: Mapping[str, object] | None) -> dict[str, object]:
    """What Vapi gets instead of an answer of the organization's server. A destination also answers
    where a transfer should lead; whatever else the organization chose answers calls only."""
    if chosen and (kind == ASSISTANT_REQUEST or (kind == TRANSFER and "destination" in chosen)):
        return dict(chosen)
    return {}


def says_nothing(answered: Mapping[str, object]) -> bool:
    """Whether all fields of an answer to a call are empty: with an empty error, say, the caller would
    hear an error of Vapi's own."""
    return not any(
        value.strip() if isinstance(value, str) else value for value in answered.values()
    )


def kind_of(answered: Mapping[str, object]) -> str | None:
    """The kind of an answer to an assistant-request, as the name of its field."""
    return next((name for name in ANSWERS if answered.get(name)), None)


@dataclass(frozen=True, slots=True)
class Overrides:
    """Additions to the answer of a granted call. `server` is a whole server block."""

    decision_id: str | None = None
    server: Mapping[str, object] | None = None
    max_duration_seconds: int | None = None


def with_overrides(answered: Mapping[str, object], overrides: Overrides) -> dict[str, object]:
    """Merge overrides into an answer, over those that it has already.

    Assistants and squads take overrides; workflows, transfers and refusals take none.
    """
    name = next((field for kind, field in OVERRIDDEN if answered.get(kind)), None)
    wanted: dict[str, object] = {}
    if overrides.server is not None:
        wanted["server"] = dict(overrides.server)
    given = answered.get(name) if name else None
    known = dict(given) if isinstance(given, Mapping) else {}
    if overrides.max_duration_seconds is not None:
        own = known.get("maxDurationSeconds", duration_of(answered.get("assistant")))
        wanted["maxDurationSeconds"] = shorter(overrides.max_duration_seconds, own)
    if overrides.decision_id is not None:
        metadata = known.get("metadata")
        kept = dict(metadata) if isinstance(metadata, Mapping) else {}
        wanted["metadata"] = {**kept, "callgate_decision_id": overrides.decision_id}
    if name is None or not wanted or answered.get("error") or answered.get("destination"):
        return dict(answered)
    return {**answered, name: {**known, **wanted}}


def duration_of(assistant: object) -> object:
    """The longest call that an assistant in the answer itself sets."""
    return assistant.get("maxDurationSeconds") if isinstance(assistant, Mapping) else None


def shorter(most: int, own: object) -> float:
    """The shorter of our limit and the answer's own, if it has one."""
    if isinstance(own, int | float) and not isinstance(own, bool) and own < most:
        return own
    return most
