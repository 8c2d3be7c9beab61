"""POST /api/vapi/webhook: authenticate, parse, ask the gate, reply by the contract's table."""

import asyncio
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from aiohttp import web

from service.access.directory import Registration
from service.access.gate import AccessGate
from service.access.senders import WrongOrganizationError, check_sender
from service.relay.headers import LOOP, RELAY_HEADER
from service.settings import WEBHOOK_PATH
from service.store.calls.writer import RecordsUnavailableError
from service.store.relay.spool import RelaySpoolFullError
from service.vapi import message_types, replies
from service.vapi.authenticity import AuthenticityError, AuthenticityRules, BodyProof
from service.vapi.campaigns import Campaigns
from service.vapi.message_heads import MalformedMessageError
from service.vapi.messages import ServerMessage
from service.vapi.reader import MessageReader
from service.web.answering import RuledAnswers, given_of, reply
from service.web.connections.budget import BudgetSpentError, Holding
from service.web.connections.doors import Doors
from service.web.connections.straight_parser import OpenedMessage
from service.web.message_notes import MessageNotes
from service.web.metrics.metrics import Metrics
from service.web.problems import problem
from service.web.relaying import UncleanedError
from service.web.replays import Replays, StillAnsweringError
from service.web.secret_uses import SecretUses

PREDIAL = message_types.CAMPAIGN_PREDIAL
CAMPAIGN_SECONDS = 2.0

log = structlog.get_logger()


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
    notes: MessageNotes
    max_body_bytes: int

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer a message. Every case but a broken connection ends in a reply."""
        opened = self.doors.take_opened(request)
        began = time.perf_counter() if opened is None else opened.began
        try:
            with self.doors.budgets.holding(self.doors.trust(request)) as holding:
                if opened is not None:
                    holding.grow(len(opened.body))
                    self.doors.prove(request)
                    return await self.answer_proved(opened, request)
                if RELAY_HEADER in request.headers:
                    self.metrics.webhook("none", 400, began)
                    return refuse_loop()
                opened, digest = await self.open(request, holding, began)
                return await self.replays.answer_once(
                    digest, lambda: self.answer_proved(opened, request)
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

    async def open(
        self, request: web.Request, holding: Holding, began: float
    ) -> tuple[OpenedMessage, bytes | None]:
        """Prove a message over its raw bytes; also the digest of what was signed, if it was."""
        now = self.gate.directory.clock.timestamp()
        proof = BodyProof(request.raw_headers, self.rules, now)
        if proof.proved:
            self.doors.prove(request)
        body = await self.read(request, proof, holding)
        self.uses.note(proof.finish(), derived=proof.organization_id is not None)
        self.doors.prove(request)
        return OpenedMessage(began, proof.organization_id, body), proof.signed_digest

    async def answer_proved(
        self, opened: OpenedMessage, request: web.Request
    ) -> web.StreamResponse:
        """Answer a message whose sender is proved."""
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            self.metrics.webhook("none", 415, opened.began)
            return problem(415, "unsupported_encoding", "Send the body without Content-Encoding.")
        try:
            if opened.message is None and (settled := await self.answer_large(opened)) is not None:
                return settled
            message = opened.message or await self.reader.parse(opened.body)
            if opened.proved is not None:
                await check_sender(self.gate, message, opened.proved)
        except MalformedMessageError as exc:
            self.metrics.webhook("none", 400, opened.began)
            return problem(400, "malformed_message", str(exc))
        response = await self.answer(message, opened, request)
        self.metrics.webhook(message.type, response.status, opened.began)
        return response

    async def answer_large(self, opened: OpenedMessage) -> web.Response | None:
        """The answer to a large message of which the head says all that is needed, as on the straight
        way; None: it is to be read as a whole."""
        head = await self.reader.find_large_head(opened.body)
        if head is None or head.type in (message_types.ASSISTANT_REQUEST, PREDIAL):
            return None
        ruling = self.gate.rulings.find_settled(head, opened.proved)
        if ruling is None or not self.answers.is_plain(ruling):
            return None
        answer = self.answers.answer_plainly(ruling)
        self.notes.note(head, ruling, answer.status)
        self.metrics.webhook(head.type, answer.status, opened.began)
        return answer.response()

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
        self, message: ServerMessage, opened: OpenedMessage, request: web.Request
    ) -> web.Response:
        """The reply by the contract's table, row by row."""
        if message.type == PREDIAL:
            eligible = await self.may_dial(message, opened, request)
            self.metrics.campaign(eligible=eligible)
            return reply(replies.eligible(eligible))
        wants_answer = message.type == message_types.ASSISTANT_REQUEST
        if not message.has_call and not (wants_answer and message.phone_number_ids):
            return reply(replies.NO_ANSWER)
        ruling = opened.ruling or self.gate.rulings.find_settled(message, opened.proved)
        if ruling is None:
            # It continues when the sender closes the request: its effects must not be lost.
            handling = asyncio.ensure_future(self.gate.handle(message, opened.proved))
            ruling = await asyncio.shield(handling)
        body, began = opened.body, opened.began
        if wants_answer and not self.answers.is_unknown(ruling):
            answer = await self.answers.answer_request(message, ruling, body, request, began)
            self.notes.note(message, ruling, 200, replies.kind_of(answer))
            return reply(answer)
        response = await self.answers.answer_ruled(message, ruling, body, request, began)
        self.notes.note(message, ruling, response.status, "error" if wants_answer else None)
        return response

    async def may_dial(
        self, message: ServerMessage, opened: OpenedMessage, request: web.Request
    ) -> bool:
        """Whether a campaign may dial. There is no call yet, so nothing is recorded.

        An unregistered number may not dial, as its calls are not allowed either. A campaign whose
        number is unknown may, and one of several organizations: its calls are stopped at their first
        event. The server of an organization with access may still refuse.
        """
        try:
            async with asyncio.timeout(CAMPAIGN_SECONDS):
                numbers = await self.campaigns.numbers_of(opened.body)
        except TimeoutError:
            numbers = ()
        if not numbers:
            return True
        owners = self.owners_of(numbers)
        if not owners:
            return False
        if opened.proved is not None and any(owner != opened.proved for owner in owners):
            raise WrongOrganizationError
        if len(owners) > 1:
            return True
        registration = next(iter(owners.values()))
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
        given = given_of(request, message, opened.body, owner, None)
        answer = await self.answers.ask_for_object(given)
        eligible = (answer or {}).get("eligible")
        return eligible if isinstance(eligible, bool) else True

    def owners_of(self, numbers: Sequence[str]) -> dict[UUID, Registration]:
        """The organizations of these numbers, each with the first of its numbers."""
        owners: dict[UUID, Registration] = {}
        for number in numbers:
            found = self.gate.directory.find((number,), ())
            if found is not None:
                owners.setdefault(found.organization.id, found)
        return owners

    async def refuse_method(self, _request: web.Request) -> web.Response:
        """Refuse all methods but POST. Without this route the admin API would answer 404."""
        response = problem(405, "method_not_allowed", "This address accepts POST only.")
        response.headers["Allow"] = "POST"
        return response

    def routes(self) -> list[web.RouteDef]:
        return [web.post(WEBHOOK_PATH, self.post), web.route("*", WEBHOOK_PATH, self.refuse_method)]
