"""Parses Vapi's answers: the error for each status, and the JSON of a body. Sends no requests."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from service.vapi import errors
from service.vapi.elements import decode, without_nul

MAX_ANSWER_BYTES = 16 * 2**20
MAX_WORDS = 300
REDACTED = "[redacted]"
MAX_RETRY_AFTER = 300.0


async def read_limited(stream: aiohttp.StreamReader, limit: int) -> bytes:
    """Read an answer, up to one byte over the limit."""
    parts = bytearray()
    while len(parts) <= limit:
        part = await stream.read(limit + 1 - len(parts))
        if not part:
            break
        parts += part
    return bytes(parts)


def refuse_status(
    status: int, content: bytes, retry_after: float | None, secrets: Iterable[str] = ()
) -> None:
    """Raise the error for an answer's status; a 2xx raises nothing."""
    if 200 <= status < 300:
        return
    if status == 401:
        raise errors.VapiUnauthorizedError("Vapi refuses the private key: check VAPI_API_KEY.")
    if status == 403:
        raise errors.VapiForbiddenError(
            "Vapi refuses the private key, or this request with it (403): check VAPI_API_KEY."
        )
    if status == 404 and not content.lstrip().startswith(b"<"):
        raise errors.VapiNotFoundError("Vapi has no object with this id.")
    if status == 429:
        raise errors.VapiThrottledError("Vapi throttles requests (429).", retry_after)
    if 400 <= status < 500 and status not in (404, 408):
        reason = explanation(content, secrets)
        raise errors.VapiRejectedError(f"Vapi refuses the request ({status}): {reason}")
    # An HTML 404 comes from the CDN in front of Vapi: it does not prove that a call or number is gone.
    raise errors.VapiUnavailableError(f"Vapi failed (status {status}).", retry_after)


def read_object(content: bytes) -> dict[str, Any]:
    """The JSON object of an answer about one object."""
    value = decode(without_nul(content))
    if not isinstance(value, dict):
        raise errors.VapiUnavailableError("Vapi's answer is not a JSON object.")
    return value


def refuse_size(content: bytes, limit: int) -> None:
    """Raise for a body that `read_limited` has cut."""
    if len(content) > limit:
        raise errors.VapiTooLargeError("Vapi's answer is too large.")


def explanation(content: bytes, secrets: Iterable[str]) -> str:
    """Vapi's reason for a rejection, which names the invalid field: cleaned, cut, without secrets."""
    value = decode(content)
    message = value.get("message") or value.get("error") if isinstance(value, dict) else None
    if isinstance(message, list):
        message = "; ".join(str(part) for part in message[:5])
    text = str(message or "no reason given")
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return re.sub(r"[^\x20-\x7e]", "?", text)[:MAX_WORDS]


def sent_secrets(body: Mapping[str, Any] | None) -> list[str]:
    """The values of the server headers in a request, among them the webhook secret."""
    server = body.get("server") if body else None
    headers = server.get("headers") if isinstance(server, Mapping) else None
    values = headers.values() if isinstance(headers, Mapping) else ()
    return [value for value in values if isinstance(value, str) and value]


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, as an answer's headers say; None if they do not."""
    return parse_retry_after(headers.get("Retry-After"), headers.get("Date"))


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Seconds to wait, from a number or an HTTP date; at most `MAX_RETRY_AFTER`.

    `date` is when the answer was made, by the clock of the same server; this machine's may be wrong.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,10}(\.[0-9]{0,6})?", text):
        return min(float(text), MAX_RETRY_AFTER)
    at = parse_http_date(text)
    if at is None:
        return None
    wait = (at - (parse_http_date(date or "") or datetime.now(UTC))).total_seconds()
    return min(max(wait, 0.0), MAX_RETRY_AFTER)


def parse_http_date(text: str) -> datetime | None:
    """An HTTP date; None for anything else."""
    try:
        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=at.tzinfo or UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
