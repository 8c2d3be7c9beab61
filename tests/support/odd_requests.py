"""Requests to the webhook in every shape, as bytes: sound ones, wrong ones, and odd HTTP."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from service.sandbox.server import SandboxVapi
from tests.support.raw_http import request
from tests.support.service import Replica
from tests.support.settings import SECRET, secret_of

LIMIT = 60_000
KINDS: list[dict[str, Any]] = [
    {"type": "speech-update", "status": "started"},
    {"type": 'transcript[transcriptType="final"]', "transcript": "Good day"},
    {"type": "conversation-update"},
    {"type": "tool-calls"},
    {"type": "assistant-request"},
    {"type": "campaign.predial"},
    {"type": "brand-new-thing"},
    {"type": "status-update", "status": "queued"},
    {"type": "status-update", "status": "forwarding"},
    {"type": "status-update", "status": "ended", "endedReason": "customer-ended-call"},
    {"type": "end-of-call-report", "durationSeconds": 4, "cost": 0.5},
    {"type": "hang", "cost": "1e999"},
    {"type": ""},
]
OWNERS = ("paying", "blocked", "forwarding")
SECRETS = ("own", "master", "other", "wrong", "missing", "doubled", "bearer", "bearer and wrong")
PLACES = (
    "call", "phoneNumber", "call.phoneNumber", "capitals", "two", "unknown", "assistant", "none"
)  # fmt: skip
BODIES = ("", "broken", "deep", "doubled keys", "no UTF-8", "empty", "large", "too large", "array")
FRAMES = (
    "plain", "two parts", "chunked", "expect", "HTTP/1.0", "close", "GET", "HEAD", "query", "absolute",
    "gzip", "identity", "relayed", "three at once", "behind another", "upgrade",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a history; `call` is which of its calls."""

    kind: Mapping[str, Any]
    owner: str = "paying"
    secret: str = "own"
    place: str = "call"
    body: str = ""
    frame: str = "plain"
    call: int = 0


@dataclass(slots=True)
class Senders:
    """The organizations of a replica with their numbers, assistants and secrets."""

    callgate: Replica
    owners: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    assistants: dict[str, str] = field(default_factory=dict)

    async def add(self, vapi: SandboxVapi) -> None:
        for name in OWNERS:
            forward = {"forward_url": "http://localhost:1/"} if name == "forwarding" else {}
            owner = self.owners[name] = await self.callgate.add_organization(name, **forward)
            if name != "blocked":
                plan = {"code": "pro", "status": "active"}
                await self.callgate.api("PUT", f"/organizations/{owner}/plan", plan)
            assistant = str(vapi.add_assistant(name=name)["id"])
            self.assistants[name] = assistant
            self.numbers[name] = str(vapi.add_number(provider="vapi", assistantId=assistant)["id"])
            answer = {"answer_with": {"assistantId": assistant}}
            await self.callgate.add_number(owner, self.numbers[name], **answer)

    def message(self, step: Step, call_id: str) -> dict[str, Any]:
        """The message of a step, with its ids where the step wants them."""
        number = self.numbers[step.owner]
        other = self.numbers["blocked" if step.owner == "paying" else "paying"]
        call: dict[str, Any] = {"id": call_id, "type": "inboundPhoneCall"}
        message: dict[str, Any] = {**step.kind, "call": call}
        match step.place:
            case "call":
                call["phoneNumberId"] = number
            case "phoneNumber":
                message["phoneNumber"] = {"id": number, "number": "+15550100002"}
            case "call.phoneNumber":
                call["phoneNumber"] = {"id": number}
            case "capitals":
                call |= {"phoneNumberId": number.upper(), "id": call_id.upper()}
            case "two":
                call["phoneNumberId"] = number
                message["phoneNumber"] = {"id": other}
            case "unknown":
                call["phoneNumberId"] = "nobody-s-number"
            case "assistant":
                call["assistantId"] = self.assistants[step.owner]
        return {"message": message}

    def body(self, step: Step, call_id: str) -> bytes:
        sound = orjson.dumps(self.message(step, call_id))
        match step.body:
            case "broken":
                return sound[:-5]
            case "deep":
                return sound[:-2] + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}}"
            case "doubled keys":
                return sound[:-2] + b',"type":"hang"}}'
            case "no UTF-8":
                return sound[:-2] + b',"x":"\xff"}}'
            case "empty":
                return b""
            case "array":
                return b"[1]"
            case "large" | "too large":
                return sound[:-2] + b',"x":"%b"}}' % (b"x" * LIMIT)[: LIMIT - 1000 * len(step.body)]
        return sound

    def headers(self, step: Step) -> list[tuple[str, str]]:
        own = secret_of(self.owners[step.owner])
        other = secret_of(self.owners["blocked" if step.owner == "paying" else "paying"])
        given = {"own": own, "master": SECRET, "other": other, "wrong": own[:-1] + "~"}
        if step.secret == "bearer":
            return [("Authorization", f"Bearer {own}")]
        if step.secret == "bearer and wrong":
            return [("Authorization", f"Bearer {own}"), ("X-Vapi-Secret", "wrong")]
        if step.secret == "doubled":
            return [("X-Vapi-Secret", own), ("x-vapi-secret", own)]
        secret = given.get(step.secret)
        return [] if secret is None else [("X-Vapi-Secret", secret)]

    def parts(self, step: Step, call_id: str) -> list[bytes]:
        """The bytes of a step, by segments."""
        body, headers = self.body(step, call_id), self.headers(step)
        plain = request(body, *headers)
        line = {
            "HTTP/1.0": "POST /api/vapi/webhook HTTP/1.0",
            "GET": "GET /api/vapi/webhook HTTP/1.1",
            "HEAD": "HEAD /api/vapi/webhook HTTP/1.1",
            "query": "POST /api/vapi/webhook?a=1 HTTP/1.1",
            "absolute": "POST http://gate/api/vapi/webhook HTTP/1.1",
        }
        extra = {
            "expect": ("Expect", "100-continue"),
            "close": ("Connection", "close"),
            "gzip": ("Content-Encoding", "gzip"),
            "identity": ("Content-Encoding", "identity"),
            "relayed": ("X-Callgate-Relay", "1"),
        }
        match step.frame:
            case "two parts":
                return [plain[:-7], plain[-7:]]
            case "chunked":
                return [request(body, *headers, chunked=True)]
            case "three at once":
                return [plain * 3]
            case "behind another":
                return [request(b"", line="GET /healthz HTTP/1.1") + plain]
            case "gzip":
                return [request(gzip.compress(body), *headers, extra["gzip"])]
            case "upgrade":
                upgrade = ("Connection", "Upgrade"), ("Upgrade", "websocket")
                return [request(body, *headers, *upgrade)]
            case frame if frame in line:
                return [request(body, *headers, line=line[frame])]
            case frame if frame in extra:
                return [request(body, *headers, extra[frame])]
        return [plain]


def replies_to(step: Step) -> int:
    return {"three at once": 3, "behind another": 2}.get(step.frame, 1)
