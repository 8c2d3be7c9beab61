"""Orders to a call's control URL: end it, speak, transfer."""

import asyncio
import time

from service.sandbox.calls import SandboxCall, SandboxHangup
from service.sandbox.collection import Json
from service.sandbox.errors import VapiProblem
from service.sandbox.switchboard import Switchboard

LETTERS_PER_SECOND = 15


def follow(switchboard: Switchboard, call_id: str, order: Json, *, lie: bool = False) -> None:
    """Do what the order says. Raises `VapiProblem` where Vapi answers 400: an unknown call or one
    that is over, an unknown order. A lie answers like the real thing and does nothing.
    """
    call = switchboard.calls.get(call_id)
    if call is None or not call.live or call.control_url is None:
        raise VapiProblem(400, "Call not found or not active.")
    kind, content = order.get("type"), order.get("content")
    if kind == "say" and not (isinstance(content, str) and content):
        raise VapiProblem(400, "Invalid control message.")
    if kind not in ("end-call", "say", "transfer", "add-message", "control"):
        raise VapiProblem(400, "Invalid control message.")
    if lie:
        return
    if kind == "end-call":
        switchboard.hangups.append(SandboxHangup(call_id, time.monotonic()))
        call.end("assistant-ended-call")
    elif kind == "say":
        say(switchboard, call, str(content), last=order.get("endCallAfterSpoken") is True)
    elif kind == "transfer":
        call.forwarded_to = order.get("destination")
        call.end("assistant-forwarded-call")


def say(switchboard: Switchboard, call: SandboxCall, content: str, *, last: bool) -> None:
    """Speak to the caller; the last sentence is spoken to its end before the line goes dead."""
    call.hear(content)
    if not last:
        return
    switchboard.hangups.append(SandboxHangup(call.id, time.monotonic(), content))
    seconds = len(content) / LETTERS_PER_SECOND * switchboard.time_scale

    async def finish() -> None:
        if not await switchboard.silence(call, seconds):
            call.end("assistant-ended-call-after-message-spoken")

    switchboard.keep(call, asyncio.create_task(finish()))
