"""What we answer to Vapi's messages, as values. No I/O, no decision."""

from collections.abc import Mapping

NO_ANSWER: dict[str, object] = {}
"""The body for a message that expects only a status code."""

EXPECTING_ANSWER = frozenset(
    {
        "assistant-request",
        "tool-calls",
        "function-call",
        "transfer-destination-request",
        "handoff-destination-request",
        "knowledge-base-request",
        "campaign.predial",
        "voice-request",
        "call.endpointing.request",
    }
)
"""Messages whose answer Vapi uses; all others are told by their status code alone."""

KNOWN_TYPES = EXPECTING_ANSWER | frozenset(
    {
        "assistant.speechStarted",
        "assistant.started",
        "call.artifact.upload",
        "call.delete.failed",
        "call.deleted",
        "conversation-update",
        "end-of-call-report",
        "hang",
        "language-change-detected",
        "model-output",
        "phone-call-control",
        "speech-update",
        "status-update",
        "transcript",
        "transfer-update",
        "user-interrupted",
        "voice-input",
    }
)


def is_known(message_type: str) -> bool:
    """Whether Vapi documents this type of a call's messages; `transcript[…]` is a transcript."""
    return message_type.partition("[")[0] in KNOWN_TYPES


def refusal(sentence: str) -> dict[str, object]:
    """Refuse an assistant-request: Vapi speaks the sentence and ends the call."""
    return {"error": sentence}


def answer(answer_with: Mapping[str, object]) -> dict[str, object]:
    """Answer a granted assistant-request in Vapi's own words."""
    return dict(answer_with)
