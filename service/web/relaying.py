"""What an organization's server gets of a message: the body and the headers, cleaned."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from service.domain.organizations import Organization
from service.relay.headers import relayed_headers
from service.relay.queues import RelayMessage
from service.relay.redaction import redact
from service.vapi import message_types
from service.vapi.messages import ServerMessage
from service.web.off_loop import off_loop


@dataclass(frozen=True, slots=True)
class Relaying:
    """Prepares messages for the relay. `secrets` are the masters, which no client gets."""

    secrets: Sequence[bytes]

    async def prepare(
        self,
        request: web.Request,
        message: ServerMessage,
        body: bytes,
        organization: Organization,
        decision_id: str | None = None,
    ) -> RelayMessage:
        """The message for an organization that has a `forward_url`."""
        content_type = request.headers.get("Content-Type")
        return RelayMessage(
            organization_id=organization.id,
            url=organization.forward_url or "",
            body=await off_loop(len(body), redact, body, self.secrets),
            headers=relayed_headers(content_type, message.type, decision_id),
            call_id=message.call_id,
            is_lasting=message_types.is_lasting(message.type, message.transcript_type),
        )
