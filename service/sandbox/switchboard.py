"""Runs simulated calls: who answers, which messages are sent, who hangs up.

An inbound call rings and runs the number's hooks. The number's assistant, squad or workflow answers it,
or the one that the answer to an assistant-request names. It emits its messages, and ends.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from service.sandbox import answers, hooks, payloads
from service.sandbox.answers import Failed, Forwarded, Joined, KnownResources, Refused
from service.sandbox.calls import Delivery, SandboxCall, SandboxHangup
from service.sandbox.clock import Clock
from service.sandbox.collection import Json, Shelf
from service.sandbox.delivery import Courier, choose_server, server_of
from service.sandbox.message_types import DEFAULT_MESSAGE_TYPES, ENDING_REASONS

ASSISTANT_REQUEST_SECONDS = 7.5


@dataclass
class Switchboard:
    """All calls of one organization. `time_scale` is real seconds per simulated second. `appears_after`:
    for so many real seconds the API does not know a new call."""

    org_id: str
    clock: Clock
    numbers: Shelf
    assistants: Shelf
    squads: Shelf
    workflows: Shelf
    courier: Courier
    time_scale: float = 1.0
    allow_http: bool = True
    org_server: Json | None = None
    appears_after: float = 0.0
    base_url: str = ""
    calls: dict[str, SandboxCall] = field(default_factory=dict)
    hangups: list[SandboxHangup] = field(default_factory=list)
    running: set[asyncio.Task[None]] = field(default_factory=set)

    def number_of(self, call: SandboxCall) -> Json | None:
        return self.numbers.find(call.phone_number_id)

    def open_call(
        self,
        phone_number_id: str | None,
        *,
        caller: str | None,
        type: str,  # noqa: A002 - Vapi's word
        assistant_id: str | None,
    ) -> SandboxCall:
        """Register a call without running it. Raises `KeyError` for an unknown id."""
        number = None
        if phone_number_id is not None:
            number = self.numbers.records[phone_number_id].data
        if number is None and type != "webCall":
            raise KeyError("a phone call needs a phone number")
        assistant = self.assistants.records[assistant_id].data if assistant_id else None
        call = SandboxCall(
            type=type,
            org_id=self.org_id,
            clock=self.clock,
            phone_number_id=phone_number_id,
            provider=(number or {}).get("provider", "vapi"),
            caller=caller if type != "webCall" else None,
            assistant=assistant,
            control_base=self.base_url,
            visible_at=time.monotonic() + self.appears_after,
        )
        if type == "inboundPhoneCall":
            call.ring()
        self.calls[call.id] = call
        return call

    def start(self, call: SandboxCall, *, duration: float) -> None:
        """Run a call in the background; the caller leaves after `duration` simulated seconds."""
        task = asyncio.create_task(self.run(call, duration))
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        self.keep(call, task)

    def hold(self, call: SandboxCall, duration: float) -> None:
        """Keep a call from beginning until it is asked for by its id."""
        call.held = duration

    def find(self, call_id: str) -> SandboxCall | None:
        """A call by its id; one that was held begins now."""
        call = self.calls.get(call_id)
        if call is not None and call.held is not None:
            duration, call.held = call.held, None
            call.visible_at = time.monotonic() + self.appears_after
            task = asyncio.create_task(self.converse(call, duration))
            self.running.add(task)
            task.add_done_callback(self.running.discard)
            self.keep(call, task)
            call.connect()
        return call

    async def stop(self) -> None:
        """Drop every call silently."""
        tasks = list(self.running)
        for call in self.calls.values():
            tasks.extend(call.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run(self, call: SandboxCall, duration: float) -> None:
        number = self.number_of(call)
        if call.type != "inboundPhoneCall":
            call.ring()
            await self.converse(call, duration)
            return
        assert number is not None
        action = hooks.ringing_action(number, call.caller)
        if action is not None:
            self.act(call, action, "call.ringing")
            return
        attached = self.attach(call, number)
        if isinstance(attached, str):
            call.hear(answers.NO_ASSISTANT_SENTENCE)
            await self.close(call, attached)
        elif attached or await self.ask(call, number):
            await self.converse(call, duration)

    def attach(self, call: SandboxCall, number: Json) -> bool | str:
        """Whether the number itself answers the call; an ended reason if its assistant is gone."""
        if assistant_id := number.get("assistantId"):
            call.assistant = self.assistants.find(assistant_id)
            return True if call.assistant else "call.start.error-get-assistant"
        call.squad_id, call.workflow_id = number.get("squadId"), number.get("workflowId")
        return bool(call.squad_id or call.workflow_id)

    async def ask(self, call: SandboxCall, number: Json) -> bool:
        """Send the assistant-request and apply its answer. True if the call is taken."""
        server = choose_server(call, number, self.org_server)
        delivery = None
        if server is not None:
            body = payloads.build_assistant_request(call, number, self.clock.stamp(call.created_ms))
            delivery = await self.courier.deliver(
                call, server, body, within=ASSISTANT_REQUEST_SECONDS
            )
        known = KnownResources(self.assistants, self.squads, self.workflows, self.allow_http)
        outcome = answers.evaluate(delivery, known)
        if not call.live:
            return False
        if isinstance(outcome, Joined):
            call.assistant, call.assistant_overrides = outcome.assistant, outcome.overrides
            call.squad_id, call.workflow_id = outcome.squad_id, outcome.workflow_id
            return True
        await self.turn_away(call, number, outcome)
        return False

    async def turn_away(
        self, call: SandboxCall, number: Json, outcome: Refused | Forwarded | Failed
    ) -> None:
        """Speak, forward or fall back for a call that is not taken, then end it."""
        debug: Json = {}
        if isinstance(outcome, Forwarded):
            call.forwarded_to, reason = outcome.destination, outcome.reason
        elif isinstance(outcome, Refused):
            call.hear(outcome.spoken)
            call.refusal, reason = outcome.spoken, outcome.reason
            if outcome.debug:
                debug = {"assistantRequestError": outcome.debug}
        else:
            reason, debug = "assistant-request-failed", {"assistantRequestError": outcome.error}
            if fallback := number.get("fallbackDestination"):
                call.forwarded_to = fallback
            else:
                call.hear(answers.NO_ASSISTANT_SENTENCE)
        await self.close(call, reason, debug)

    def act(self, call: SandboxCall, action: Json, event: str) -> None:
        """Run a hook's action; it ends the call without any message."""
        if action["type"] == "say":
            call.hear(action["exact"])
        else:
            call.forwarded_to = action.get("destination")
        call.end(f"{event}.hook-executed-{action['type']}")

    async def converse(self, call: SandboxCall, duration: float) -> None:
        """Run a taken call: send messages until it is hung up or its duration is over. One that was
        hung up before it comes to run is not connected again."""
        if call.live:
            if call.status != "in-progress":
                call.connect()
            self.send(call, payloads.build_status_update, "in-progress")
        longest = call.max_duration_seconds
        stop_at = time.monotonic() + min(duration, longest) * self.time_scale
        turn = 0
        while not await self.silence(call, min(self.time_scale, stop_at - time.monotonic())):
            if time.monotonic() >= stop_at:
                call.end(end_reason(call, exceeded=duration > longest))
                break
            # Recorded calls: about one message a second, speech and conversation in turn.
            if turn % 2 == 0:
                self.send(call, payloads.build_speech_update, turn // 2)
            else:
                self.send(call, payloads.build_conversation_update, turn)
            turn += 1
        self.report_end(call)

    async def silence(self, call: SandboxCall, seconds: float) -> bool:
        """Wait; returns early, with True, once the call has ended."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await call.hung_up.wait()
        except TimeoutError:
            return not call.live
        return True

    async def close(self, call: SandboxCall, reason: str, debug: Json | None = None) -> None:
        """End a call that was not taken, after the number's call.ending hook has run."""
        number = self.number_of(call)
        action = (
            hooks.ending_action(number, reason) if number and reason in ENDING_REASONS else None
        )
        if action is not None:
            self.act(call, action, "call.ending")
        call.end(reason)
        self.report_end(call, debug)

    def report_end(self, call: SandboxCall, debug: Json | None = None) -> None:
        extra = {"inboundPhoneCallDebuggingArtifacts": debug} if debug else {}
        self.send(
            call, payloads.build_status_update, "ended", endedReason=call.ended_reason, **extra
        )
        self.send(call, payloads.build_end_of_call_report)

    def report_when_ended(self, call: SandboxCall) -> None:
        """Send the end messages of a call that does not run in the background."""

        async def wait_and_report() -> None:
            await call.hung_up.wait()
            self.report_end(call)

        self.keep(call, asyncio.create_task(wait_and_report()))

    def send(self, call: SandboxCall, build: Any, *given: Any, **extra: Any) -> None:
        """Deliver a message in the background: a slow server does not hold up the call."""
        body = build(call, self.number_of(call), self.clock.stamp(call.created_ms), *given, **extra)
        wanted = (call.assistant_overrides or {}).get("serverMessages")
        wanted = wanted or (call.assistant or {}).get("serverMessages") or DEFAULT_MESSAGE_TYPES
        if body["message"]["type"] in wanted:
            self.keep(call, asyncio.create_task(self.emit(call, body)))

    async def emit(self, call: SandboxCall, body: Json) -> Delivery | None:
        """Deliver a message of a call; None if the call has no server."""
        server = choose_server(call, self.number_of(call), self.org_server, self.joined(call))
        return await self.courier.deliver(call, server, body) if server else None

    def joined(self, call: SandboxCall) -> Json | None:
        """The squad's first member or the workflow that took the call: its server comes first.

        A squad's overrides of all members take precedence over those of one member.
        """
        if squad := self.squads.find(call.squad_id):
            member: Json = next(iter(squad.get("members") or []), {})
            saved = self.assistants.find(member.get("assistantId"))
            levels = (
                squad.get("membersOverrides"),
                member.get("assistantOverrides"),
                saved or member.get("assistant"),
            )
            return next((level for level in levels if server_of(level)), None)
        return self.workflows.find(call.workflow_id)

    def keep(self, call: SandboxCall, task: asyncio.Task[Any]) -> None:
        call.tasks.add(task)
        task.add_done_callback(call.tasks.discard)

    def hang_up(self, call: SandboxCall) -> None:
        """The caller leaves."""
        call.end("customer-ended-call")


def end_reason(call: SandboxCall, *, exceeded: bool) -> str:
    """Why a call ended that was not hung up."""
    if call.status == "forwarding":
        return "assistant-forwarded-call"
    return "exceeded-max-duration" if exceeded else "customer-ended-call"
