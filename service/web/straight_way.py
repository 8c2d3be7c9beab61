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
from service.vapi.message_heads import MalformedMessageError, MessageHead, decode, read_head
from service.vapi.message_types import ASSISTANT_REQUEST, CAMPAIGN_PREDIAL
from service.vapi.messages import read_message
from service.vapi.reader import INLINE_BYTES
from service.web.answering import RuledAnswers, plain_reply
from service.web.connections.straight_parser import OpenedMessage, RequestContent, RequestHead
from service.web.message_notes import MessageNotes
from service.web.metrics.metrics import Metrics
from service.web.plain_answers import AnswerWriter, PlainAnswer
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
            head = read_head(raw)
        except MalformedMessageError:
            return OpenedMessage(began, proved, body)

        message = None
        ruling = self.gate.rulings.find_settled(head, proved)
        if ruling is None and head.type == ASSISTANT_REQUEST:
            message = read_message(raw, head)
            ruling = self.gate.rule_at_once(message, proved)
        answer, kind = (None, None) if ruling is None else self.answer_ruled(head, ruling)
        if ruling is None or answer is None:
            return OpenedMessage(began, proved, body, message or read_message(raw, head), ruling)

        written = self.writer.write(answer)
        self.notes.note(head, ruling, answer.status, kind)
        self.metrics.webhook(head.type, answer.status, began)
        return written

    def answer_ruled(
        self, head: MessageHead, ruling: Ruling
    ) -> tuple[PlainAnswer | None, str | None]:
        """The answer, None where a server has to be asked or a campaign wants to dial; and its kind if
        it is one to an assistant-request."""
        if head.type == ASSISTANT_REQUEST:
            asked = self.answers.answer_ourselves(ruling)
            return (None, None) if asked is None else (plain_reply(asked), replies.kind_of(asked))
        if head.type == CAMPAIGN_PREDIAL or not self.answers.is_plain(ruling):
            return None, None
        return self.answers.answer_plainly(ruling), None

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
