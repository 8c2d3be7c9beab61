"""Delivers server messages to the one URL that Vapi would choose, with timeout and retries.

Precedence: assistant (its overrides first), phone number, organization; it is no fallback chain. A
failed delivery does not change the call: the switchboard decides what follows.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from service.sandbox.calls import Delivery, SandboxCall
from service.sandbox.collection import Json
from service.sandbox.credentials import Credential

DEFAULT_TIMEOUT_SECONDS = 20.0


def server_of(resource: Mapping[str, Any] | None) -> Json | None:
    """The server block of a resource; the legacy `serverUrl` stands for one."""
    if not resource:
        return None
    server = resource.get("server")
    if isinstance(server, Mapping) and server.get("url"):
        return dict(server)
    if resource.get("serverUrl"):
        return {"url": resource["serverUrl"], "secret": resource.get("serverUrlSecret")}
    return None


def choose_server(
    call: SandboxCall, number: Json | None, org_server: Json | None, joined: Json | None = None
) -> Json | None:
    """The server that receives an event; `joined` is the squad or workflow that took the call."""
    levels = (
        server_of(call.assistant_overrides),
        server_of(call.assistant),
        server_of(joined),
        server_of(number),
        server_of({"server": org_server}),
    )
    return next((server for server in levels if server), None)


def retry_delays(plan: Mapping[str, Any] | None) -> list[float]:
    """Seconds before each retry: fixed, or doubled each time; empty without a plan."""
    if not plan:
        return []
    base, count = float(plan.get("baseDelaySeconds", 1)), int(plan.get("maxRetries", 0))
    if plan.get("type") == "exponential":
        return [base * 2**attempt for attempt in range(count)]
    return [base] * count


@dataclass
class Courier:
    """Posts messages. `time_scale` shortens delays, `timeout_scale` the wait for an answer.

    Both are 1 in real time.
    """

    time_scale: float = 1.0
    timeout_scale: float = 1.0
    credentials: dict[str, Credential] = field(default_factory=dict)
    session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=False),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        if self.session is not None:
            await self.session.close()
            self.session = None

    async def deliver(
        self, call: SandboxCall, server: Json, body: Json, *, within: float | None = None
    ) -> Delivery:
        """Post a message, with the retries of the server's plan; returns the last attempt.

        Every attempt is recorded on the call. `within` bounds all attempts together (seconds).
        """
        timeout = float(server.get("timeoutSeconds") or DEFAULT_TIMEOUT_SECONDS)
        plan = server.get("backoffPlan") or {}
        excluded = plan.get("excludedStatusCodes") or []
        deadline = time.monotonic() + within * self.timeout_scale if within else None
        data = orjson.dumps(body)
        delays = retry_delays(plan)
        for attempt in range(len(delays) + 1):
            wait = timeout * self.timeout_scale
            if deadline is not None:
                wait = min(wait, deadline - time.monotonic())
            delivery = Delivery(
                body["message"]["type"],
                body["message"].get("status"),
                server["url"],
                attempt + 1,
                time.time(),
            )
            call.deliveries.append(delivery)
            await self.post(delivery, server, data, wait)
            if delivery.delivered or delivery.http_status in excluded:
                break
            if attempt < len(delays):
                pause = delays[attempt] * self.time_scale
                if deadline is not None and time.monotonic() + pause >= deadline:
                    break
                await asyncio.sleep(pause)
        return delivery

    async def post(self, delivery: Delivery, server: Json, data: bytes, timeout: float) -> None:
        """Make one attempt. A redirect is not followed: it counts as a status other than 2xx."""
        if self.session is None:
            raise RuntimeError("the sandbox is not started")
        began = time.monotonic()
        try:
            async with self.session.post(
                server["url"],
                data=data,
                headers=self.headers(server, data),
                timeout=aiohttp.ClientTimeout(total=max(timeout, 0.001)),
                allow_redirects=False,
            ) as response:
                answer = await response.read()
                delivery.answer, delivery.http_status = answer, response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            delivery.error = type(exc).__name__
        finally:
            delivery.milliseconds = (time.monotonic() - began) * 1000

    def headers(self, server: Json, data: bytes) -> dict[str, str]:
        """The server's headers, its legacy secret if any, and its credential's headers."""
        headers = {"content-type": "application/json", "user-agent": "callgate-sandbox"}
        if server.get("secret"):
            headers["X-Vapi-Secret"] = str(server["secret"])
        headers |= server.get("headers") or {}
        credential = self.credentials.get(server.get("credentialId") or "")
        if credential is not None:
            headers |= credential.headers(data, time.time_ns() // 1_000_000)
        return headers
