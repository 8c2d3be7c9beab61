"""POST /api/vapi/webhook: authenticate, parse, ask the gate, reply by the contract's table."""

import asyncio
import io
import time
from dataclasses import dataclass
from uuid import UUID

import structlog
from aiohttp import web

from service.access.gate import AccessGate
from service.access.judgement import Ruling
from service.access.senders import WrongOrganizationError, check_sender
from service.relay.headers import LOOP, RELAY_HEADER
from service.settings import WEBHOOK_PATH
from service.store.calls.event_writer import CallEventWriter
from service.store.calls.writer import RecordsUnavailableError
from service.store.relay.spool import RelaySpoolFullError
from service.vapi import message_types, replies
from service.vapi.authenticity import AuthenticityError, AuthenticityRules, BodyProof
from service.vapi.campaigns import Campaigns
from service.vapi.messages import MalformedMessageError, ServerMessage
from service.vapi.reader import MessageReader
from service.web.answering import RuledAnswers, given_of, reply
from service.web.connections.budget import BudgetSpentError, Holding
from service.web.connections.doors import Doors
from service.web.metrics.metrics import Metrics
from service.web.problems import problem
from service.web.relaying import UncleanedError
from service.web.replays import Replays, StillAnsweringError
from service.web.secret_uses import SecretUses

PREDIAL = message_types.CAMPAIGN_PREDIAL
CAMPAIGN_SECONDS = 2.0

log = structlog.get_logger()

PROVED_FOR = web.RequestKey("proved_for", UUID)
"""The only organization whose messages the request proves; absent: those of every organization."""


class BodyTooLargeError(Exception):
    """The body exceeds the limit."""


UNAVAILABLE = (
    BudgetSpentError,
    RecordsUnavailableError,
    RelaySpoolFullError,
    StillAnsweringError,
    UncleanedError,
)
"""Vapi sends the message again later."""


def refuse_loop() -> web.Response:
    """Refuse what Callgate itself relayed: a `forward_url` leads here."""
    response = problem(
        400, "relay_loop", "This message was relayed by Callgate. Correct the forward_url."
    )
    response.headers[RELAY_HEADER] = LOOP
    return response


@dataclass(slots=True)
class Webhook:
    """The handler. `max_body_bytes` limits the body before and while it is read."""

    doors: Doors
    reader: MessageReader
    gate: AccessGate
    rules: AuthenticityRules
    metrics: Metrics
    answers: RuledAnswers
    uses: SecretUses
    replays: Replays
    campaigns: Campaigns
    events: CallEventWriter
    max_body_bytes: int

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer a message. Every case but a broken connection ends in a reply."""
        began = time.perf_counter()
        if RELAY_HEADER in request.headers:
            self.metrics.webhook("none", 400, began)
            return refuse_loop()
        try:
            now = self.gate.directory.clock.timestamp()
            proof = BodyProof(request.raw_headers, self.rules, now)
            if proof.proved:
                self.doors.prove(request)
            with self.doors.budgets.holding(self.doors.trust(request)) as holding:
                body = await self.read(request, proof, holding)
                self.uses.note(proof.finish(), derived=proof.organization_id is not None)
                if proof.organization_id is not None:
                    request[PROVED_FOR] = proof.organization_id
                self.doors.prove(request)
                return await self.replays.answer_once(
                    proof.signed_digest, lambda: self.answer_proved(body, request, began)
                )
        except (AuthenticityError, WrongOrganizationError) as exc:
            self.metrics.webhook("none", 401, began)
            self.doors.refusals.note("webhook.refused", str(exc), request.remote)
            if isinstance(exc, WrongOrganizationError):
                return problem(401, "wrong_organization", str(exc))
            return problem(401, "unauthorized", str(exc))
        except BodyTooLargeError:
            self.metrics.webhook("none", 413, began)
            return problem(413, "body_too_large", f"The body exceeds {self.max_body_bytes} bytes.")
        except UNAVAILABLE:
            self.metrics.webhook("none", 503, began)
            return self.doors.busy()

    async def answer_proved(
        self, body: bytes, request: web.Request, began: float
    ) -> web.StreamResponse:
        """Answer a message whose sender is proved."""
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return problem(415, "unsupported_encoding", "Send the body without Content-Encoding.")
        try:
            message = await self.reader.parse(body)
            if PROVED_FOR in request:
                await check_sender(self.gate, message, request[PROVED_FOR])
        except MalformedMessageError as exc:
            self.metrics.webhook("none", 400, began)
            return problem(400, "malformed_message", str(exc))
        response = await self.answer(message, body, request, began)
        self.metrics.webhook(message.type, response.status, began)
        return response

    async def read(self, request: web.Request, proof: BodyProof, holding: Holding) -> bytes:
        """The raw body, within the limit and the budget, hashed part by part."""
        if (request.content_length or 0) > self.max_body_bytes:
            raise BodyTooLargeError
        # Unlike a bytearray it gives its bytes away without copying all of them at once.
        parts = io.BytesIO()
        async for part in request.content.iter_any():
            if parts.tell() + len(part) > self.max_body_bytes:
                raise BodyTooLargeError
            holding.grow(len(part))
            proof.update(part)
            parts.write(part)
        return parts.getvalue()

    async def answer(
        self, message: ServerMessage, body: bytes, request: web.Request, began: float
    ) -> web.Response:
        """The reply by the contract's table, row by row."""
        if message.type == PREDIAL:
            eligible = await self.may_dial(message, body, request)
            self.metrics.campaign(eligible=eligible)
            return reply(replies.eligible(eligible))
        wants_answer = message.type == message_types.ASSISTANT_REQUEST
        if not message.has_call and not (wants_answer and message.phone_number_ids):
            return reply(replies.NO_ANSWER)
        # The decision continues when the sender closes the request: its effects must not be lost.
        ruling = await asyncio.shield(asyncio.ensure_future(self.gate.handle(message)))
        if wants_answer and not self.answers.is_unknown(ruling):
            answer = await self.answers.answer_request(message, ruling, body, request, began)
            self.note(message, ruling, 200, replies.kind_of(answer))
            return reply(answer)
        response = await self.answers.answer_ruled(message, ruling, body, request, began)
        self.note(message, ruling, response.status, "error" if wants_answer else None)
        return response

    def note(self, message: ServerMessage, ruling: Ruling, status: int, answer: str | None) -> None:
        """Record a message of interest for its call, and the reply."""
        if message.call_id is None or not (
            ruling.first or message.type in message_types.MILESTONES
        ):
            return
        fields = {
            "type": message.type,
            "status": message.status if message.type == message_types.STATUS_UPDATE else None,
            "ended_reason": message.ended_reason if message.ends_call else None,
            "first": ruling.first or None,
            "reply": status,
            "answer": answer,
        }
        detail = {name: value for name, value in fields.items() if value is not None}
        self.events.record_sent(message.call_id, "message", detail, message.at)

    async def may_dial(self, message: ServerMessage, body: bytes, request: web.Request) -> bool:
        """Whether a campaign may dial. There is no call yet, so nothing is recorded.

        An unregistered number may not dial, as its calls are not allowed either. A campaign whose
        number is unknown may: its calls are stopped at their first event. The server of an
        organization with access may still refuse.
        """
        try:
            async with asyncio.timeout(CAMPAIGN_SECONDS):
                numbers = await self.campaigns.numbers_of(body)
        except TimeoutError:
            numbers = ()
        if not numbers:
            return True
        registration = self.gate.directory.find(numbers, ())
        if registration is None:
            return False
        if request.get(PROVED_FOR, registration.organization.id) != registration.organization.id:
            raise WrongOrganizationError
        decision = await self.gate.decide(message, registration)
        if not decision.allowed:
            log.info(
                "campaign.refused",
                organization_id=registration.organization.id,
                reason=decision.reason,
            )
            return False
        owner = registration.organization
        if owner.forward_url is None:
            return True
        given = given_of(request, message, body, owner, None)
        answer = await self.answers.ask_for_object(given)
        eligible = (answer or {}).get("eligible")
        return eligible if isinstance(eligible, bool) else True

    async def refuse_method(self, _request: web.Request) -> web.Response:
        """Refuse all methods but POST. Without this route the admin API would answer 404."""
        response = problem(405, "method_not_allowed", "This address accepts POST only.")
        response.headers["Allow"] = "POST"
        return response

    def routes(self) -> list[web.RouteDef]:
        return [web.post(WEBHOOK_PATH, self.post), web.route("*", WEBHOOK_PATH, self.refuse_method)]
