"""Commands to a call's control URL: end it, speak, transfer."""

import asyncio
import time

from service.sandbox import payloads
from service.sandbox.calls import SandboxCall, SandboxHangup
from service.sandbox.collection import Json
from service.sandbox.errors import VapiProblem
from service.sandbox.switchboard import Switchboard

LETTERS_PER_SECOND = 15


def execute(switchboard: Switchboard, call_id: str, order: Json, *, lie: bool = False) -> None:
    """Execute a command. `lie` answers as if it had and does nothing.

    Raises `VapiProblem` where Vapi answers 400: an unknown or ended call, an unknown command.
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
        call.forward(order.get("destination"))
        switchboard.send(call, payloads.build_status_update, "forwarding")


def say(switchboard: Switchboard, call: SandboxCall, content: str, *, last: bool) -> None:
    """Speak to the caller; after the `last` sentence the call ends."""
    call.hear(content)
    if not last:
        return
    switchboard.hangups.append(SandboxHangup(call.id, time.monotonic(), content))
    seconds = len(content) / LETTERS_PER_SECOND * switchboard.time_scale

    async def finish() -> None:
        if not await switchboard.silence(call, seconds):
            call.end("assistant-ended-call-after-message-spoken")

    switchboard.keep(call, asyncio.create_task(finish()))
