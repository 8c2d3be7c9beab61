"""The doctor's look at the webhook URL: does it answer, and is it us who answers?"""

from dataclasses import dataclass

import aiohttp
import msgspec

from service.admin.doctor.check import DoctorFinding
from service.settings import Settings

SECONDS = 8.0
MOST_BYTES = 64 * 1024
PROBE = {"message": {"type": "callgate.probe"}}
ELSEWHERE = "Point VAPI_WEBHOOK_URL (or the proxy before it) at this service."


@dataclass(frozen=True, slots=True)
class Answer:
    """What the URL answered."""

    status: int
    body: object

    @property
    def code(self) -> object:
        """The stable code of a problem document."""
        return self.body.get("code") if isinstance(self.body, dict) else None


async def examine_webhook(settings: Settings, session: aiohttp.ClientSession) -> DoctorFinding:
    """Post without a secret, which we refuse in our own words; to who does so, and to nobody else,
    then with the one that is written to Vapi, which we take.

    In `hmac` mode only the first: signing is Vapi's.
    """
    url = settings.webhook_url
    try:
        bare = await post(session, url, {})
        stranger = judge_bare(bare)
        if stranger is not None:
            return stranger
        if settings.vapi_webhook_auth != "secret":
            return DoctorFinding(
                "webhook", "ok", "The webhook URL refuses unsigned messages as we do."
            )
        proved = await post(session, url, {"X-Vapi-Secret": settings.webhook_secrets[0]})
    except TimeoutError:
        text = f"The webhook URL is too slow: no answer within {SECONDS:.0f} s."
        remedy = "Is the service behind it overloaded, or its address dropped on the way?"
        return DoctorFinding("webhook", "failed", text, remedy)
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        text = f"The webhook URL does not answer from here ({type(exc).__name__})."
        remedy = "Check DNS, TLS and the way in: Vapi has to reach it from the internet."
        return DoctorFinding("webhook", "failed", text, remedy)
    return judge_proved(proved)


async def post(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> Answer:
    """Send the probe; no redirects, and not much of an answer is read."""
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    async with session.post(
        url, json=PROBE, headers=headers, timeout=timeout, allow_redirects=False
    ) as response:
        content = await read(response.content)
    try:
        return Answer(response.status, msgspec.json.decode(content))
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return Answer(response.status, None)


async def read(stream: aiohttp.StreamReader) -> bytes:
    """All of a body, or its first `MOST_BYTES`; a single read gives what has arrived so far."""
    content = bytearray()
    while len(content) < MOST_BYTES and (part := await stream.read(MOST_BYTES - len(content))):
        content += part
    return bytes(content)


def judge_bare(bare: Answer) -> DoctorFinding | None:
    """Who answered, told by how the message without a secret was refused; None if it may be us."""
    if 300 <= bare.status < 400:
        text = f"The webhook URL redirects (status {bare.status}), which Vapi does not follow."
        return DoctorFinding("webhook", "failed", text, "Use the URL that it redirects to.")
    if bare.status < 300:
        text = f"The webhook URL takes messages without a secret (status {bare.status})."
        return DoctorFinding(
            "webhook", "failed", text, f"Something else answers there. {ELSEWHERE}"
        )
    if bare.status >= 500:
        text = f"What stands at the webhook URL is in trouble (status {bare.status})."
        return DoctorFinding("webhook", "failed", text, "Is the service running behind it?")
    if bare.status != 401 or bare.code != "unauthorized":
        text = f"Something that is not Callgate answers at the webhook URL (status {bare.status})."
        return DoctorFinding("webhook", "failed", text, ELSEWHERE)
    return None


def judge_proved(proved: Answer) -> DoctorFinding:
    """Whether who refuses as we do is of this installation."""
    if proved.status == 401:
        text = "The Callgate at the webhook URL does not take our webhook secret."
        remedy = "Give every replica the same VAPI_WEBHOOK_SECRET."
        return DoctorFinding("webhook", "failed", text, remedy)
    if proved.status == 200 and proved.body == {}:
        return DoctorFinding("webhook", "ok", "The webhook URL answers as ours.")
    text = f"The webhook URL answers a proved message with status {proved.status}."
    return DoctorFinding("webhook", "failed", text, ELSEWHERE)
