"""The doctor's check of the webhook URL: whether it answers, and whether this service does."""

from dataclasses import dataclass

import aiohttp
import msgspec

from service.admin.doctor.check import DoctorFinding
from service.domain.conditions import Condition, condition
from service.domain.organization_secret import NO_ORGANIZATION, derive_organization_secret
from service.settings import Settings

SECONDS = 8.0
"""How long each of the two answers may take."""
MOST_BYTES = 64 * 1024
PROBE = {"message": {"type": "callgate.probe"}}


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply of the URL."""

    status: int
    body: object

    @property
    def code(self) -> object:
        """The stable code of a problem document."""
        return self.body.get("code") if isinstance(self.body, dict) else None


async def examine_webhook(
    settings: Settings, session: aiohttp.ClientSession, seconds: float = SECONDS
) -> DoctorFinding:
    """Post without a secret, which Callgate refuses in its own words. Only to a server that does so,
    post again with a secret that derives from the master, as those that are written to Vapi.

    In `hmac` mode only the first: Vapi signs, not Callgate.
    """
    url = settings.webhook_url
    try:
        unsigned = await post(session, url, {}, seconds)
        found = explain_unsigned(unsigned)
        if found is not None:
            return DoctorFinding.of("webhook", found)
        if settings.vapi_webhook_auth != "secret":
            return DoctorFinding.ok(
                "webhook", "The webhook URL refuses unsigned messages as we do."
            )
        # Never the master: this one proves messages of no organization.
        own = derive_organization_secret(settings.webhook_secrets[0], NO_ORGANIZATION)
        proof = {"X-Vapi-Secret": own}
        signed = await post(session, url, proof, seconds)
    except TimeoutError:
        return DoctorFinding.of("webhook", condition("webhook_slow", seconds=f"{seconds:.0f}"))
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        found = condition("webhook_unreachable", error=type(exc).__name__)
        return DoctorFinding.of("webhook", found)
    found = explain_signed(signed)
    if found is not None:
        return DoctorFinding.of("webhook", found)
    return DoctorFinding.ok("webhook", "The webhook URL answers as ours.")


async def post(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str], seconds: float
) -> Answer:
    """Send the probe without following redirects; read at most `MOST_BYTES`."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with session.post(
        url, json=PROBE, headers=headers, timeout=timeout, allow_redirects=False
    ) as response:
        content = await read(response.content)
    try:
        return Answer(response.status, msgspec.json.decode(content))
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return Answer(response.status, None)


async def read(stream: aiohttp.StreamReader) -> bytes:
    """The body, or its first `MOST_BYTES`."""
    content = bytearray()
    while len(content) < MOST_BYTES and (part := await stream.read(MOST_BYTES - len(content))):
        content += part
    return bytes(content)


def explain_unsigned(answer: Answer) -> Condition | None:
    """What is wrong, judged by the reply to an unsigned message; None if it may be Callgate."""
    if answer.status == 401 and answer.code == "unauthorized":
        return None
    if answer.status < 300:
        return condition("webhook_open", status=answer.status)
    if answer.status < 400:
        return condition("webhook_redirects", status=answer.status)
    if answer.status >= 500:
        return condition("webhook_failing", status=answer.status)
    return condition("webhook_foreign", status=answer.status)


def explain_signed(answer: Answer) -> Condition | None:
    """What is wrong, judged by the reply to a message with our secret; None: it is ours."""
    if answer.status == 401:
        return condition("webhook_other_secret")
    if answer.status == 200 and answer.body == {}:
        return None
    return condition("webhook_unexpected", status=answer.status)
