"""The probes. Liveness reads nothing. Readiness reports the state of every part, and fails only when
the replica cannot decide calls: without PostgreSQL a replica is degraded, but still ready."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

import orjson
from aiohttp import web

from service.web.kept import Kept

Level = Literal["ok", "degraded", "failed"]


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """The state of a part. `kind` is that of its condition, "" while the part is ok."""

    name: str
    level: Level
    detail: str = ""
    remedy: str = ""
    kind: str = ""


Probe = Callable[[], Awaitable[list[ReadinessCheck]]]


@dataclass(slots=True)
class Health:
    """The checks of all parts. `draining` is set when the service receives a stop signal."""

    probes: list[Probe] = field(default_factory=list)
    draining: bool = False
    kept: Kept[list[ReadinessCheck]] = field(init=False)

    def __post_init__(self) -> None:
        self.kept = Kept(self.check)

    async def check(self) -> list[ReadinessCheck]:
        """Every part's state now."""
        return [check for probe in self.probes for check in await probe()]

    async def part(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Close each connection after its answer while draining, so that clients connect elsewhere."""
        if self.draining:
            # The headers are made before this hook.
            response.headers["Connection"] = "close"
            response.force_close()

    async def alive(self, _request: web.Request) -> web.Response:
        """GET /healthz."""
        return answer(200, {"status": "alive"})

    async def ready(self, _request: web.Request) -> web.Response:
        """GET /readyz: parts at most a second old, draining at once."""
        checks = list(await self.kept.get())
        if self.draining:
            checks.append(ReadinessCheck("shutdown", "failed", "The service is shutting down."))
        levels = {check.level for check in checks}
        status = "not_ready" if "failed" in levels else "ready"
        if status == "ready" and "degraded" in levels:
            status = "degraded"
        body = {
            "status": status,
            "checks": [shown(check) for check in checks],
        }
        return answer(503 if status == "not_ready" else 200, body)


def shown(check: ReadinessCheck) -> dict[str, str]:
    """A check as JSON."""
    body = {"name": check.name, "level": check.level, "detail": check.detail}
    return body | ({"remedy": check.remedy, "kind": check.kind} if check.kind else {})


def answer(status: int, body: object) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
