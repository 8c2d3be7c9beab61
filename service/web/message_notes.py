"""Notes messages of interest among the steps of their calls, with the replies."""

from dataclasses import dataclass

from service.access.rulings import Ruling
from service.store.calls.event_writer import CallEventWriter
from service.vapi import message_types
from service.vapi.message_heads import MessageHead
from service.vapi.messages import ServerMessage


@dataclass(frozen=True, slots=True)
class MessageNotes:
    """Writes in the background."""

    events: CallEventWriter

    def note(
        self, message: MessageHead, ruling: Ruling, status: int, answer: str | None = None
    ) -> None:
        """Note the first message of a call and each that changes its course; `answer` is the kind of
        answer that an assistant-request got."""
        if not ruling.first and message.type not in message_types.MILESTONES:
            return
        if message.call_id is None:
            return
        fields = {
            "type": message.type,
            "status": message.status if message.type == message_types.STATUS_UPDATE else None,
            "ended_reason": end_of(message),
            "first": ruling.first or None,
            "reply": status,
            "answer": answer,
        }
        detail = {name: value for name, value in fields.items() if value is not None}
        self.events.record_sent(message.call_id, "message", detail, message.at)


def end_of(message: MessageHead) -> str | None:
    """Why a call ended, if the message says so."""
    if isinstance(message, ServerMessage) and message.ends_call:
        return message.ended_reason
    return None
