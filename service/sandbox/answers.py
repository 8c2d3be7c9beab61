"""The outcome of a call from the answer to its assistant-request. Pure."""

from dataclasses import dataclass
from typing import Any

import orjson

from service.sandbox import dtos
from service.sandbox.calls import Delivery
from service.sandbox.collection import Json, Shelf

TECHNICAL_SENTENCE = "An application error has occurred. The server responded with an error."
EMPTY_ERROR_SENTENCE = "Unknown Error. Contact Support."
NO_ASSISTANT_SENTENCE = "Couldn't get assistant for this call."


@dataclass(frozen=True, slots=True)
class Refused:
    """The caller hears a sentence, then the call ends."""

    reason: str
    spoken: str
    debug: str | None = None


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The caller is connected to another number."""

    destination: Json
    reason: str


@dataclass(frozen=True, slots=True)
class Joined:
    """An assistant, squad or workflow takes the call."""

    assistant: Json | None = None
    squad_id: str | None = None
    workflow_id: str | None = None
    overrides: Json | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer came: the number's fallback destination, else the end."""

    error: str


Outcome = Refused | Forwarded | Joined | Failed


@dataclass(frozen=True)
class KnownResources:
    """The resources that ids in an answer may refer to."""

    assistants: Shelf
    squads: Shelf
    workflows: Shelf
    allow_http: bool


def evaluate(delivery: Delivery | None, known: KnownResources) -> Outcome:
    """Apply Vapi's rules to the (last) answer to an assistant-request."""
    if delivery is None:
        return Refused("call-start-error-neither-assistant-nor-server-set", NO_ASSISTANT_SENTENCE)
    if delivery.http_status is None:
        return Failed(delivery.error or "no answer")
    if not delivery.delivered:
        return Refused(
            "assistant-request-returned-unspeakable-error",
            TECHNICAL_SENTENCE,
            f"Server answered {delivery.http_status}",
        )
    try:
        answer = orjson.loads(delivery.answer)
    except ValueError:
        return invalid("The answer is not JSON.")
    if not isinstance(answer, dict):
        return invalid("The answer is not an object.")
    return evaluate_answer(answer, known)


def evaluate_answer(answer: Json, known: KnownResources) -> Outcome:
    """An `error` wins over everything else in the answer."""
    error = answer.get("error")
    if isinstance(error, str) and error:
        return Refused("assistant-request-returned-error", error)
    if error is not None:
        spoken = EMPTY_ERROR_SENTENCE if error == "" else TECHNICAL_SENTENCE
        return Refused("assistant-request-returned-unspeakable-error", spoken)
    if destination := answer.get("destination"):
        found = list(dtos.DESTINATION("destination", destination))
        reason = "assistant-request-returned-forwarding-phone-number"
        return invalid(*found) if found else Forwarded(destination, reason)
    overrides = answer.get("assistantOverrides")
    if overrides is not None:
        rule = dtos.assistant_overrides(allow_http=known.allow_http)
        if found := list(rule("assistantOverrides", overrides)):
            return invalid(*found)
    return evaluate_assistant(answer, overrides, known)


def evaluate_assistant(answer: Json, overrides: Json | None, known: KnownResources) -> Outcome:
    """The answer must name an assistant, squad or workflow that exists."""
    if assistant_id := answer.get("assistantId"):
        assistant = find(known.assistants, assistant_id)
        if assistant is None:
            return invalid(f"assistantId {assistant_id!r} does not exist.")
        return Joined(assistant=assistant, overrides=overrides)
    if squad_id := answer.get("squadId"):
        if find(known.squads, squad_id) is None:
            return invalid(f"squadId {squad_id!r} does not exist.")
        return Joined(squad_id=squad_id, overrides=overrides)
    if workflow_id := answer.get("workflowId"):
        if find(known.workflows, workflow_id) is None:
            return invalid(f"workflowId {workflow_id!r} does not exist.")
        return Joined(workflow_id=workflow_id, overrides=overrides)
    if (transient := answer.get("assistant")) is not None:
        found = list(dtos.assistant(allow_http=known.allow_http)("assistant", transient))
        return invalid(*found) if found else Joined(assistant=transient, overrides=overrides)
    return Refused("assistant-request-returned-no-assistant", NO_ASSISTANT_SENTENCE)


def find(shelf: Shelf, key: Any) -> Json | None:
    return shelf.find(key) if isinstance(key, str) else None


def invalid(*findings: str) -> Refused:
    """The outcome of an answer that Vapi cannot use; the caller hears the standard sentence."""
    return Refused(
        "assistant-request-returned-invalid-assistant",
        NO_ASSISTANT_SENTENCE,
        f"Invalid Assistant. Errors: {orjson.dumps(findings).decode()}",
    )
