"""What answers a message after the gate's ruling: the organization's settings, its own server, or us."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

import orjson
from aiohttp import web

from service.access.first_message import UNKNOWN_REASON
from service.access.gate import AccessGate
from service.access.rulings import Ruling
from service.domain.organizations import Organization
from service.domain.usage.sums import LONGEST_CALL_SECONDS, SHORTEST_CALL_SECONDS
from service.domain.wording.blocked_messages import format_blocked_message
from service.vapi import message_types, replies
from service.vapi.messages import ServerMessage
from service.web.plain_answers import JSON, PlainAnswer
from service.web.problems import PROBLEM, problem, problem_body
from service.web.relaying import GivenMessage, Relaying

ANSWER_SECONDS = 2.4
"""Limit for the answer to an assistant-request, including a slow server of the organization. Vapi
allows 7.5 s end to end, then it ends the call."""
MARGIN_SECONDS = 1.5
"""What remains of the time that Vapi gives us for the way back."""
LEAST_SECONDS = 0.2
UNKNOWN_MESSAGE = "This number is not set up yet. Please try again later."
UNANSWERED_MESSAGE = "This number has no assistant yet. Please try again later."


NO_ANSWER = PlainAnswer(200, JSON, orjson.dumps(replies.NO_ANSWER))


def denied_body(reason: str, decision_id: str) -> bytes:
    """The problem document for a message of a call without access."""
    detail = "This organization has no access to calls."
    return problem_body(403, "access_denied", detail, reason=reason, decision_id=decision_id)


def given_of(
    request: web.Request,
    message: ServerMessage,
    body: bytes,
    organization: Organization,
    decision_id: str | None,
) -> GivenMessage:
    """A message for the server of its organization."""
    content_type = request.headers.get("Content-Type")
    return GivenMessage(message, body, content_type, organization, decision_id)


def plain_reply(body: object) -> PlainAnswer:
    """A 200 with a JSON body."""
    return PlainAnswer(200, JSON, orjson.dumps(body, default=str))


def reply(body: object) -> web.Response:
    """A 200 with a JSON body, for aiohttp."""
    return plain_reply(body).response()


def seconds_left(began: float, seconds: float = ANSWER_SECONDS) -> float:
    """The seconds that remain for an answer."""
    return max(seconds - (time.perf_counter() - began), LEAST_SECONDS)


def shortest_of(ours: int | None, said: int | None) -> int | None:
    """The shorter of the configured length of a call and what policies say, as Vapi takes it."""
    if said is None:
        return ours
    said = min(max(said, SHORTEST_CALL_SECONDS), LONGEST_CALL_SECONDS)
    return said if ours is None else min(ours, said)


@dataclass(slots=True)
class RuledAnswers:
    """Answers by the contract's table, once the gate has ruled.

    `own_server` builds the server block for an organization's calls, with its secret. `vapi_seconds` is
    how long Vapi waits for an answer, as we write it there.
    """

    gate: AccessGate
    relaying: Relaying
    own_server: Callable[[UUID], Mapping[str, object]]
    blocked_message: str
    vapi_seconds: float
    max_call_seconds: int | None = None

    def is_unknown(self, ruling: Ruling) -> bool:
        """Whether the call is of a number that is not registered. One that was blocked stays so when its
        organization is deleted."""
        denied = ruling.registration is None and not ruling.allowed
        return denied and ruling.reason == UNKNOWN_REASON

    def is_plain(self, ruling: Ruling) -> bool:
        """Whether the ruling is the whole answer, except to an assistant-request: it denies, or the
        organization has no server that gets the message."""
        owner = ruling.registration.organization if ruling.registration else None
        return not ruling.allowed or owner is None or owner.forward_url is None

    def answer_plainly(self, ruling: Ruling) -> PlainAnswer:
        """The answer where the ruling is all of it. A diverted call goes on, and its messages are
        refused no more than those of a granted one."""
        if ruling.allowed or ruling.diverted:
            return NO_ANSWER
        return PlainAnswer(403, PROBLEM, denied_body(ruling.reason, ruling.decision_id))

    async def answer_ruled(
        self,
        message: ServerMessage,
        ruling: Ruling,
        body: bytes,
        request: web.Request,
        began: float,
    ) -> web.Response:
        """The rows for all messages but an assistant-request of a registered number."""
        if self.is_unknown(ruling):
            return self.answer_unknown(message)
        if self.is_plain(ruling):
            return self.answer_plainly(ruling).response()
        assert ruling.registration is not None, "without an organization nothing is relayed"
        owner = ruling.registration.organization
        given = given_of(request, message, body, owner, ruling.decision_id)
        if message.is_asked:
            return await self.pass_through(given, began)
        await self.relaying.forward(given)
        return reply(replies.NO_ANSWER)

    async def pass_through(self, given: GivenMessage, began: float) -> web.Response:
        """The answer of the organization's server, whole; without one, what the organization chose.

        A message of an unknown type may not need an answer: it is kept until the server takes it.
        """
        kind = given.message.type
        seconds = seconds_left(began, self.vapi_seconds - MARGIN_SECONDS)
        answer = await self.relaying.ask(given, seconds)
        if answer is not None:
            headers = {"Content-Type": answer.content_type} if answer.content_type else None
            return web.Response(status=answer.status, body=answer.body, headers=headers)
        if not message_types.is_known(kind):
            await self.relaying.keep(given)
        return reply(replies.fallback(kind, given.organization.handling.relay_fallback))

    async def ask_for_object(self, given: GivenMessage) -> dict[str, object] | None:
        """The JSON object that the organization's server answers; None if there is none."""
        return await self.relaying.ask_for_object(given, self.vapi_seconds - MARGIN_SECONDS)

    def answer_unknown(self, message: ServerMessage) -> web.Response:
        if message.type == message_types.ASSISTANT_REQUEST:
            return reply(replies.refusal(UNKNOWN_MESSAGE))
        if not message_types.is_known(message.type):
            return reply(replies.NO_ANSWER)
        return problem(
            404,
            "unknown_phone_number",
            "This phone number is not registered. Register it, or point its webhook elsewhere.",
        )

    async def answer_request(
        self,
        message: ServerMessage,
        ruling: Ruling,
        body: bytes,
        request: web.Request,
        began: float,
    ) -> dict[str, object]:
        """The answer to the call: the number's own setting, else that of the organization's server."""
        if (ours := self.answer_ourselves(ruling)) is not None:
            return ours
        assert ruling.registration is not None, "without an organization no server is asked"
        owner = ruling.registration.organization
        given = given_of(request, message, body, owner, ruling.decision_id)
        answer = await self.relaying.ask_for_object(given, seconds_left(began))
        if answer is None or replies.says_nothing(answer):
            answer = replies.fallback(message.type, owner.handling.relay_fallback)
        return self.overridden(answer, ruling) if answer else replies.refusal(UNANSWERED_MESSAGE)

    def answer_ourselves(self, ruling: Ruling) -> dict[str, object] | None:
        """The answer to the call; None if the organization's server is to be asked."""
        owner = ruling.registration.organization if ruling.registration else None
        if not ruling.allowed:
            if owner is None:
                return replies.refusal(self.blocked_message)
            if ruling.terms.divert_to is not None:
                return self.overridden(replies.answer(ruling.terms.divert_to), ruling)
            now, terms = self.gate.directory.now(), ruling.terms
            return replies.refusal(
                format_blocked_message(owner, ruling.reason, self.blocked_message, now, terms)
            )
        number = ruling.registration.phone_number if ruling.registration else None
        if number is not None and number.answer_with:
            return self.overridden(replies.answer(number.answer_with), ruling)
        if owner is not None and owner.forward_url is not None:
            return None
        return replies.refusal(UNANSWERED_MESSAGE)

    def overridden(self, answer: dict[str, object], ruling: Ruling) -> dict[str, object]:
        """The answer with the overrides that the organization set for its calls.

        What is left of the plan's minutes limits granted calls: none is left to a diverted one.
        """
        if (registration := ruling.registration) is None:
            return answer
        owner, now = registration.organization, self.gate.directory.now()
        handling = owner.handling
        most = shortest_of(
            handling.max_duration_seconds or self.max_call_seconds,
            ruling.terms.max_duration_seconds,
        )
        if ruling.allowed:
            most = self.gate.recorder.usage.limit_call(owner, ruling.reason, now, most)
        overrides = replies.Overrides(
            ruling.decision_id if handling.decision_metadata else None,
            self.own_server(owner.id) if handling.take_events else None,
            most,
        )
        return replies.with_overrides(answer, overrides)
