"""Vapi's REST API. One call here is one request: when to try again is the caller's schedule."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from pydantic import SecretStr
from yarl import URL

from service.domain.budget import Priority
from service.vapi import errors
from service.vapi.resources import PhoneNumberPage

TIMEOUT = aiohttp.ClientTimeout(total=10, connect=3)
MAX_ANSWER_BYTES = 16 * 2**20
MAX_RETRY_AFTER = 300.0
MAX_PAGE = 1000
MAX_WORDS = 300
REDACTED = "[redacted]"


Pace = Callable[[Priority], Awaitable[None]]


class VapiClient:
    """Speaks to one Vapi organization with its private key.

    `pace` is awaited before each request. What goes wrong on the way or at Vapi is a `VapiError`.
    """

    def __init__(
        self, session: aiohttp.ClientSession, base_url: str, api_key: SecretStr, pace: Pace
    ) -> None:
        self.session = session
        self.base_url = base_url.rstrip("/")
        self.api_key = api_key
        self.pace = pace

    async def get_phone_number(
        self, number_id: str, priority: Priority = Priority.REPAIR
    ) -> dict[str, Any]:
        """One phone number. Raises `VapiNotFoundError` when Vapi has none with this id."""
        return await self.request_one("GET", "/phone-number", number_id, priority)

    async def patch_phone_number(
        self, number_id: str, body: Mapping[str, Any], priority: Priority = Priority.REPAIR
    ) -> dict[str, Any]:
        """Change a phone number; sent fields replace, others stay, null clears."""
        return await self.request_one("PATCH", "/phone-number", number_id, priority, body)

    async def list_phone_numbers_page(
        self, page: int, limit: int = MAX_PAGE, priority: Priority = Priority.REPAIR
    ) -> PhoneNumberPage:
        """Page `page` (from 1) of all phone numbers, oldest first: a new one moves no other.

        A removed one does, so what a sweep did not see is not proved gone.
        """
        query = f"page={page}&limit={min(limit, MAX_PAGE)}&sortBy=createdAt&sortOrder=ASC"
        answer = await self.request("GET", f"/v2/phone-number?{query}", priority)
        found = PhoneNumberPage.parse(answer, page, limit)
        if found is None:
            raise errors.VapiUnavailableError("Vapi's answer is not a page of phone numbers.")
        return found

    async def get_assistant(
        self, assistant_id: str, priority: Priority = Priority.REPAIR
    ) -> dict[str, Any]:
        """One saved assistant."""
        return await self.request_one("GET", "/assistant", assistant_id, priority)

    async def patch_assistant(
        self, assistant_id: str, body: Mapping[str, Any], priority: Priority = Priority.REPAIR
    ) -> dict[str, Any]:
        """Change a saved assistant, by the rules of `patch_phone_number`."""
        return await self.request_one("PATCH", "/assistant", assistant_id, priority, body)

    async def get_call(self, call_id: str, priority: Priority = Priority.HANGUP) -> dict[str, Any]:
        """One call with its live status and control URL."""
        return await self.request_one("GET", "/call", call_id, priority)

    async def request_one(
        self,
        method: str,
        collection: str,
        item_id: str,
        priority: Priority,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Ask about one thing by its id; an answer about anything else is no answer."""
        if item_id in ("", ".", ".."):
            # As a path these would lead to another resource.
            raise errors.VapiNotFoundError("Vapi knows nothing with this id.")
        path = f"{collection}/{quote(item_id, safe='', errors='replace')}"
        answer = await self.request(method, path, priority, body)
        if str(answer.get("id")).lower() != item_id.lower():
            raise errors.VapiUnavailableError("Vapi's answer is about something else.")
        return answer

    async def request(
        self, method: str, path: str, priority: Priority, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send one request and read its JSON object; raises a `VapiError` for everything else."""
        await self.pace(priority)
        key = self.api_key.get_secret_value()
        try:
            async with self.session.request(
                method,
                URL(self.base_url + path, encoded=True),
                json=body,
                headers={"Authorization": f"Bearer {key}"},
                timeout=TIMEOUT,
                allow_redirects=False,
            ) as response:
                content = await read_limited(response.content)
                status, wait = (
                    response.status,
                    parse_retry_after(response.headers.get("Retry-After")),
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            # Its representation has the request's headers in it: only the kind is passed on.
            raise errors.VapiUnavailableError(
                f"Vapi does not answer ({type(exc).__name__})."
            ) from None
        refuse_status(status, content, wait, secrets=(key, *sent_secrets(body)))
        return read_object(content)


async def read_limited(stream: aiohttp.StreamReader) -> bytes:
    """A whole answer, or the beginning of one that is too large: one byte over the limit."""
    parts = bytearray()
    while len(parts) <= MAX_ANSWER_BYTES:
        part = await stream.read(MAX_ANSWER_BYTES + 1 - len(parts))
        if not part:
            break
        parts += part
    return bytes(parts)


def refuse_status(
    status: int, content: bytes, retry_after: float | None, secrets: Iterable[str] = ()
) -> None:
    """Raise what an answer's status means; a 2xx means nothing."""
    if 200 <= status < 300:
        return
    if status in (401, 403):
        raise errors.VapiUnauthorizedError("Vapi refuses the private key: check VAPI_API_KEY.")
    if status == 404 and not content.lstrip().startswith(b"<"):
        raise errors.VapiNotFoundError("Vapi knows nothing with this id.")
    if status == 429:
        raise errors.VapiThrottledError("Vapi asks for fewer requests (429).", retry_after)
    if 400 <= status < 500 and status not in (404, 408):
        reason = explanation(content, secrets)
        raise errors.VapiRejectedError(f"Vapi refuses the request ({status}): {reason}")
    # An HTML 404 is the network in front of Vapi: it proves no call over and no number gone.
    raise errors.VapiUnavailableError(f"Vapi is in trouble (status {status}).", retry_after)


def decode(content: bytes) -> object:
    """Whatever JSON stands there; None for everything else, such as HTML or half a body."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def read_object(content: bytes) -> dict[str, Any]:
    """The JSON object that every answer of Vapi's is."""
    if len(content) > MAX_ANSWER_BYTES:
        raise errors.VapiUnavailableError("Vapi's answer is too large.")
    value = decode(content)
    if not isinstance(value, dict):
        raise errors.VapiUnavailableError("Vapi's answer is not a JSON object.")
    return value


def explanation(content: bytes, secrets: Iterable[str]) -> str:
    """Vapi's words for a refusal, which name the field at fault: no secrets, cleaned and cut."""
    value = decode(content)
    message = value.get("message") or value.get("error") if isinstance(value, dict) else None
    if isinstance(message, list):
        message = "; ".join(str(part) for part in message[:5])
    text = str(message or "no reason given")
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return re.sub(r"[^\x20-\x7e]", "?", text)[:MAX_WORDS]


def sent_secrets(body: Mapping[str, Any] | None) -> list[str]:
    """The values of the server headers in a request: the webhook secret is one of them."""
    server = body.get("server") if body else None
    headers = server.get("headers") if isinstance(server, Mapping) else None
    values = headers.values() if isinstance(headers, Mapping) else ()
    return [value for value in values if isinstance(value, str) and value]


def parse_retry_after(value: str | None) -> float | None:
    """Seconds to wait, from a number or an HTTP date; at most `MAX_RETRY_AFTER`."""
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,10}(\.[0-9]{0,6})?", text):
        return min(float(text), MAX_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
        wait = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(wait, 0.0), MAX_RETRY_AFTER)
