"""The straight way: what answers a message about which everything is decided, or can be at once.

Vapi sends about one message a second for every live call, and the decision on the call is in memory. So
such a message takes one step while its bytes are read, and no task, lock or await:

    proof → one decode → one look-up → one prepared answer

A new call that asks what answers it takes one step as well, where its policies only compute: its record
is noted on the disk and written beside the answer.

Everything else branches off to the general way, `service.web.webhook`, which gives the same answers
(`tests/web/test_two_ways.py`): with None before the message was touched, or with what was opened of
it, so that nothing is proved or decoded twice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from multidict import istr

from service.access.gate import AccessGate
from service.access.rulings import Ruling
from service.relay.headers import RELAY_HEADER
from service.settings import WEBHOOK_PATH
from service.vapi import replies
from service.vapi.authenticity import AuthenticityError, AuthenticityRules, verify_secret
from service.vapi.message_heads import MalformedMessageError, decode, read_head
from service.vapi.message_types import ASSISTANT_REQUEST, CAMPAIGN_PREDIAL
from service.vapi.messages import ServerMessage, read_message
from service.vapi.reader import INLINE_BYTES
from service.web.answering import RuledAnswers, plain_reply
from service.web.connections.straight_parser import OpenedMessage, RequestContent, RequestHead
from service.web.message_notes import MessageNotes
from service.web.metrics.metrics import Metrics
from service.web.plain_answers import AnswerWriter
from service.web.secret_uses import SecretUses

HTTP_1_1 = (1, 1)
UNUSUAL_HEADERS = tuple(
    map(istr, ("Expect", "Content-Encoding", "Transfer-Encoding", RELAY_HEADER))
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StraightWay:
    """Takes requests that have arrived as a whole, on connections that are proved."""

    rules: AuthenticityRules
    gate: AccessGate
    answers: RuledAnswers
    writer: AnswerWriter
    uses: SecretUses
    notes: MessageNotes
    metrics: Metrics
    most_bytes: int
    is_draining: Callable[[], bool]

    def take(self, head: RequestHead, content: RequestContent) -> bytes | OpenedMessage | None:
        """The answer, or what the general way goes on with; None: it begins at the beginning."""
        began = time.perf_counter()
        if not self.is_plain(head, content) or self.is_draining():
            return None
        try:
            place, proved = verify_secret(head.raw_headers, self.rules)
        except AuthenticityError:
            return None
        self.uses.note(place, derived=proved is not None)

        body = content.read_nowait()
        try:
            return self.answer(began, proved, body)
        except Exception:
            # The body is taken out of the request: the general way would read an empty one.
            log.exception("webhook.straight_way_failed")
            return OpenedMessage(began, proved, body)

    def answer(self, began: float, proved: UUID | None, body: bytes) -> bytes | OpenedMessage:
        """The answer to a proved message, or what the general way goes on with."""
        try:
            raw = decode(body)
            message = read_head(raw)
        except MalformedMessageError:
            return OpenedMessage(began, proved, body)

        ruling = self.gate.rulings.find_settled(message, proved)
        if message.type == ASSISTANT_REQUEST:
            return self.answer_asking(began, proved, body, read_message(raw, message), ruling)
        if ruling is None or message.type == CAMPAIGN_PREDIAL or not self.answers.is_plain(ruling):
            return OpenedMessage(began, proved, body, read_message(raw, message))

        answer = self.answers.answer_plainly(ruling)
        written = self.writer.write(answer)
        self.notes.note(message, ruling, answer.status)
        self.metrics.webhook(message.type, answer.status, began)
        return written

    def answer_asking(
        self,
        began: float,
        proved: UUID | None,
        body: bytes,
        message: ServerMessage,
        settled: Ruling | None,
    ) -> bytes | OpenedMessage:
        """The answer to an assistant-request, of a call that is settled or of a new one; or what the
        general way goes on with."""
        ruling = settled or self.gate.rule_at_once(message, proved)
        answer = None if ruling is None else self.answers.answer_ourselves(ruling)
        if ruling is None or answer is None:
            return OpenedMessage(began, proved, body, message, ruling)

        written = self.writer.write(plain_reply(answer))
        self.notes.note(message, ruling, 200, replies.kind_of(answer))
        self.metrics.webhook(message.type, 200, began)
        return written

    def is_plain(self, head: RequestHead, content: RequestContent) -> bool:
        """Whether a request is what Vapi usually sends: a small POST, whole, with no special wishes."""
        return (
            head.path == WEBHOOK_PATH
            and head.method == "POST"
            and self.rules.mode == "secret"
            and head.version == HTTP_1_1
            and not head.should_close
            and content.is_eof()
            and 0 < content.total_bytes <= self.most_bytes
            and not any(name in head.headers for name in UNUSUAL_HEADERS)
        )


def most_bytes_of(limit: int) -> int:
    """The largest body that is decoded here: a larger one would stop the loop, or is refused."""
    return min(limit, INLINE_BYTES)
