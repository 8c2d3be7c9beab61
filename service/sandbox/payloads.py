"""Builds the bodies of server messages, in the shape of recorded ones. Pure."""

from typing import Any

from service.sandbox.calls import SandboxCall, without_absent
from service.sandbox.clock import to_iso
from service.sandbox.collection import Json

DIALOGUE = (
    ("bot", "Thank you for calling. How may I help you?"),
    ("user", "I would like to order, please."),
    ("bot", "With pleasure. What would you like?"),
    ("user", "The same as last week."),
)


def build_message(
    kind: str, call: SandboxCall, number: Json | None, at_ms: int, **extra: Any
) -> Json:
    """The envelope of any message about a call; `extra` are the fields of its type."""
    message = {
        "timestamp": at_ms,
        "type": kind,
        **extra,
        "call": call.snapshot(),
        "phoneNumber": without_server_headers(number),
        "customer": call.customer,
        "assistant": call.assistant,
    }
    return {"message": without_absent(message)}


def without_server_headers(number: Json | None) -> Json | None:
    """`message.phoneNumber`: recorded ones have the server without its headers."""
    if not number or not isinstance(number.get("server"), dict):
        return number
    server = {key: value for key, value in number["server"].items() if key != "headers"}
    return number | {"server": server}


def build_assistant_request(call: SandboxCall, number: Json, at_ms: int) -> Json:
    return build_message("assistant-request", call, number, at_ms)


def build_status_update(
    call: SandboxCall, number: Json | None, at_ms: int, status: str, **extra: Any
) -> Json:
    """`message.status` is current; `message.call.status` is that of the creation."""
    return build_message(
        "status-update", call, number, at_ms, status=status, artifact=artifact(call, 0), **extra
    )


def build_speech_update(call: SandboxCall, number: Json | None, at_ms: int, turn: int) -> Json:
    role = "assistant" if turn % 4 < 2 else "user"
    status = "stopped" if turn % 2 else "started"
    return build_message(
        "speech-update", call, number, at_ms, status=status, role=role, turn=turn // 2
    )


def build_conversation_update(
    call: SandboxCall, number: Json | None, at_ms: int, turn: int
) -> Json:
    """The conversation so far: it grows with the call, as at Vapi."""
    said = artifact(call, turn)
    return build_message(
        "conversation-update",
        call,
        number,
        at_ms,
        conversation=said["messagesOpenAIFormatted"],
        messages=said["messages"],
        artifact=said,
    )


def build_end_of_call_report(call: SandboxCall, number: Json | None, at_ms: int) -> Json:
    said = artifact(call, 4)
    transcript = "".join(
        f"{'AI' if line['role'] == 'bot' else 'User'}: {line['message']}\n"
        for line in said["messages"]
    )
    return build_message(
        "end-of-call-report",
        call,
        number,
        at_ms,
        endedReason=call.ended_reason,
        startedAt=to_iso(call.started_ms) if call.started_ms else None,
        endedAt=to_iso(call.ended_ms) if call.ended_ms else None,
        durationSeconds=round(call.seconds_connected, 3),
        durationMs=round(call.seconds_connected * 1000),
        cost=call.cost,
        costs=[],
        costBreakdown={"total": call.cost},
        transcript=transcript,
        summary="A call in the sandbox.",
        messages=said["messages"],
        analysis={"summary": "A call in the sandbox.", "successEvaluation": "true"},
        artifact=said,
    )


def artifact(call: SandboxCall, turns: int) -> Json:
    """The transcript so far, in both of Vapi's shapes."""
    started = call.started_ms or call.created_ms
    messages = [
        {
            "role": role,
            "message": text,
            "time": started + second * 1000,
            "secondsFromStart": second,
        }
        for second, (role, text) in enumerate(DIALOGUE * (turns // 4 + 1))
        if second < turns
    ]
    formatted = [
        {
            "role": "assistant" if line["role"] == "bot" else "user",
            "content": line["message"],
        }
        for line in messages
    ]
    return {"messages": messages, "messagesOpenAIFormatted": formatted}
