"""The types of Vapi's server messages, and what follows from each. Pure."""

ASSISTANT_REQUEST = "assistant-request"
CAMPAIGN_PREDIAL = "campaign.predial"
NOT_BEGUN = frozenset({"scheduled", "queued"})
"""Statuses of a call that exists at Vapi and has not begun: nothing is to be decided or hung up yet."""

AFTERWARDS = frozenset({"call.artifact.upload", "call.delete.failed", "call.deleted"})
"""Messages about a call that is over, some of them months later: none of them begins one."""

BEGINNING = frozenset({"ringing", "in-progress"})
"""Statuses with which a call begins."""

CONNECTED = frozenset({"in-progress", "forwarding"})
"""Statuses of a call whose two sides are connected."""

STATUS_UPDATE = "status-update"
END_OF_CALL_REPORT = "end-of-call-report"

EXPECTING_ANSWER = frozenset(
    {
        ASSISTANT_REQUEST,
        "tool-calls",
        "function-call",
        "transfer-destination-request",
        "handoff-destination-request",
        "knowledge-base-request",
        CAMPAIGN_PREDIAL,
        "voice-request",
        "call.endpointing.request",
    }
)
"""Messages whose answer Vapi uses; for all others the status code is the whole answer."""

KNOWN_TYPES = EXPECTING_ANSWER | frozenset(
    {
        "assistant.speechStarted",
        "assistant.started",
        "call.artifact.upload",
        "call.delete.failed",
        "call.deleted",
        "conversation-update",
        END_OF_CALL_REPORT,
        "hang",
        "language-change-detected",
        "model-output",
        "phone-call-control",
        "speech-update",
        STATUS_UPDATE,
        "transcript",
        "transfer-update",
        "user-interrupted",
        "voice-input",
    }
)

TALKING = frozenset(
    {
        "assistant.speechStarted",
        "assistant.started",
        "conversation-update",
        "function-call",
        "handoff-destination-request",
        "language-change-detected",
        "model-output",
        "speech-update",
        "tool-calls",
        "transcript",
        "transfer-destination-request",
        "transfer-update",
        "user-interrupted",
        "voice-input",
    }
)
"""Messages that a call causes only once its two sides are connected."""

MILESTONES = frozenset(
    {
        ASSISTANT_REQUEST,
        "assistant.started",
        "call.delete.failed",
        "call.deleted",
        END_OF_CALL_REPORT,
        "handoff-destination-request",
        "hang",
        "phone-call-control",
        STATUS_UPDATE,
        "transfer-destination-request",
        "transfer-update",
    }
)
"""Messages that change the course of a call; the others arrive many times a second."""

EARLY = frozenset(
    {
        "assistant.speechStarted",
        "assistant.started",
        "conversation-update",
        "model-output",
        "speech-update",
        STATUS_UPDATE,
        "transcript",
        'transcript[transcriptType="final"]',
        "voice-input",
    }
)
"""Messages that arrive while a call is young; one of them is enough to block it."""


PASSING = frozenset({"conversation-update", "model-output", "speech-update"})
"""Messages that a later one of the call outdates."""


def is_lasting(message_type: str, transcript_type: str | None) -> bool:
    """Whether a message must not be lost before others; partial transcripts and `PASSING` may be."""
    kind, _, qualifier = message_type.partition("[")
    is_partial = transcript_type == "partial" or "partial" in qualifier
    return kind not in PASSING and not (kind == "transcript" and is_partial)


def is_known(message_type: str) -> bool:
    """Whether Vapi documents this type of a call's messages; `transcript[…]` is a transcript."""
    return message_type.partition("[")[0] in KNOWN_TYPES
