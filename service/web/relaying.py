"""What an organization's server gets of a message: the body and the headers, cleaned."""

from collections.abc import Sequence

from aiohttp import web

from service.relay.headers import relayed_headers
from service.relay.redaction import redact
from service.web.off_loop import off_loop


async def relayed(
    request: web.Request,
    body: bytes,
    secrets: Sequence[bytes],
    message_type: str,
    decision_id: str | None = None,
) -> tuple[bytes, dict[str, str]]:
    """The body and the headers for a client; `secrets` are the masters, which no client gets."""
    content_type = request.headers.get("Content-Type")
    headers = relayed_headers(content_type, message_type, decision_id)
    return await off_loop(len(body), redact, body, secrets), headers
