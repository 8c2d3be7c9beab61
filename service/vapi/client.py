"""Vapi's REST API. One call here is one request: when to try again is the caller's schedule."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from pydantic import SecretStr

from service.vapi import errors

TIMEOUT = aiohttp.ClientTimeout(total=10, connect=3)
MAX_ANSWER_BYTES = 16 * 2**20
MAX_RETRY_AFTER = 300.0


class Priority(Enum):
    """Who goes first when the request budget is short."""

    HANGUP = "hangup"
    ADMIN = "admin"
    REPAIR = "repair"


Pace = Callable[[Priority], Awaitable[None]]


class VapiClient:
    """Speaks to one Vapi organization with its private key; `pace` is awaited before each request."""

    def __init__(
        self, session: aiohttp.ClientSession, base_url: str, api_key: SecretStr, pace: Pace
    ) -> None:
        self.session = session
        self.base_url = base_url.rstrip("/")
        self.api_key = api_key
        self.pace = pace

    async def get_phone_number(self, number_id: str, priority: Priority) -> dict[str, Any]:
        """One phone number. Raises `VapiNotFoundError` when Vapi has none with this id."""
        return await self.request("GET", f"/phone-number/{quote(number_id, safe='')}", priority)

    async def patch_phone_number(
        self, number_id: str, body: dict[str, Any], priority: Priority
    ) -> dict[str, Any]:
        """Change a phone number; sent fields replace, others stay, null clears."""
        path = f"/phone-number/{quote(number_id, safe='')}"
        return await self.request("PATCH", path, priority, body)

    async def get_assistant(self, assistant_id: str, priority: Priority) -> dict[str, Any]:
        """One saved assistant."""
        return await self.request("GET", f"/assistant/{quote(assistant_id, safe='')}", priority)

    async def get_call(self, call_id: str, priority: Priority) -> dict[str, Any]:
        """One call with its live status and control URL."""
        return await self.request("GET", f"/call/{quote(call_id, safe='')}", priority)

    async def request(
        self, method: str, path: str, priority: Priority, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send one request and read its JSON object; raises a `VapiError` for everything else."""
        await self.pace(priority)
        headers = {"Authorization": f"Bearer {self.api_key.get_secret_value()}"}
        try:
            async with self.session.request(
                method,
                self.base_url + path,
                json=body,
                headers=headers,
                timeout=TIMEOUT,
                allow_redirects=False,
            ) as response:
                content = await response.content.read(MAX_ANSWER_BYTES + 1)
                while not response.content.at_eof() and len(content) <= MAX_ANSWER_BYTES:
                    content += await response.content.read(MAX_ANSWER_BYTES + 1 - len(content))
                retry_after = response.headers.get("Retry-After")
                status = response.status
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as exc:
            raise errors.VapiUnavailableError(
                f"Vapi does not answer ({type(exc).__name__})."
            ) from None
        refuse_status(status, content, retry_after)
        return read_object(content)


def refuse_status(status: int, content: bytes, retry_after: str | None) -> None:
    """Raise what an answer's status means; a 2xx means nothing."""
    if 200 <= status < 300:
        return
    if status in (401, 403):
        raise errors.VapiUnauthorizedError("Vapi refuses the private key: check VAPI_API_KEY.")
    if status == 404:
        raise errors.VapiNotFoundError("Vapi knows nothing with this id.")
    if status == 429:
        raise errors.VapiThrottledError(
            "Vapi asks for fewer requests (429).", parse_retry_after(retry_after)
        )
    if 400 <= status < 500:
        raise errors.VapiRejectedError(f"Vapi refuses the request ({status}): {words(content)}")
    raise errors.VapiUnavailableError(f"Vapi is in trouble (status {status}).")


def read_object(content: bytes) -> dict[str, Any]:
    """A JSON object; HTML from the network in front of Vapi, or half a body, is no answer."""
    try:
        value = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        value = None
    if len(content) > MAX_ANSWER_BYTES or not isinstance(value, dict):
        raise errors.VapiUnavailableError("Vapi's answer is not a JSON object.")
    return value


def words(content: bytes) -> str:
    """Vapi's explanation of a refusal, cleaned and cut; it may name the field at fault."""
    try:
        value = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return "no reason given"
    message = value.get("message") if isinstance(value, dict) else None
    if isinstance(message, list):
        message = "; ".join(str(part) for part in message[:5])
    return re.sub(r"[^\x20-\x7e]", "?", str(message or "no reason given"))[:300]


def parse_retry_after(value: str | None) -> float | None:
    """Seconds to wait, from a number or an HTTP date; at most `MAX_RETRY_AFTER`."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if seconds == seconds else None  # noqa: PLR0124
