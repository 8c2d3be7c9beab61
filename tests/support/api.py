"""The whole service over real HTTP on a fresh database, and a client that speaks to its admin API."""

import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import aiohttp
import orjson
from yarl import URL

from service.serve.listeners import bind, listening
from service.serve.replica import Replica as Service
from service.serve.replica import open_replica
from service.settings import Settings
from tests.support.replies import Reply
from tests.support.settings import TOKEN


@dataclass(frozen=True)
class ApiClient:
    """Speaks to `/api/v1` with a token, the admin's unless told otherwise."""

    service: Service
    base_url: str
    session: aiohttp.ClientSession
    token: str | None = TOKEN
    headers: Mapping[str, str] = field(default_factory=dict)

    def with_token(self, token: str | None) -> "ApiClient":
        return replace(self, token=token)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        root: str = "/api/v1",
    ) -> Reply:
        """One request. `body` is sent as JSON, `raw` as it is; `path` is sent without quoting."""
        sent = dict(self.headers)
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        data: io.BytesIO | None = None
        if body is not None or raw is not None:
            data = io.BytesIO(orjson.dumps(body) if raw is None else raw)
        if data is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        url = URL(self.base_url + root + path, encoded=True)
        async with self.session.request(
            method, url, data=data, headers=sent, allow_redirects=False
        ) as response:
            return await Reply.read(response)

    async def get(self, path: str) -> Any:
        """The body of a GET that has to succeed."""
        reply = await self.ask("GET", path)
        assert reply.status == 200, reply.body
        return reply.json

    async def organization(self, name: str = "Acme", **fields: Any) -> Any:
        """A new organization."""
        reply = await self.ask("POST", "/organizations", {"name": name, **fields})
        assert reply.status == 201, reply.body
        return reply.json

    async def issue_token(self, role: str, **fields: Any) -> Any:
        """A new token, with its secret."""
        reply = await self.ask("POST", "/tokens", {"name": f"a {role}", "role": role, **fields})
        assert reply.status == 201, reply.body
        return reply.json

    async def as_role(self, role: str) -> "ApiClient":
        """The same client with a new token of a role."""
        return self.with_token((await self.issue_token(role))["token"])

    async def operations(self) -> list[tuple[str, str]]:
        """Method and path of every operation, out of the served document."""
        document = (await self.ask("GET", "/api/openapi.json", root="")).json
        return [
            (method.upper(), path.removeprefix("/api/v1"))
            for path, item in document["paths"].items()
            for method in item
        ]

    async def audit(self, object_id: str | UUID) -> list[Any]:
        """What the audit says of an object, newest first."""
        found: list[Any] = (await self.get(f"/audit?object_id={object_id}"))["items"]
        return found


@asynccontextmanager
async def serving(settings: Settings, dsn: str) -> AsyncIterator[ApiClient]:
    """The service's web part on a port of its own. Its background tasks do not run: what an answer
    promises must hold without them."""
    async with open_replica(settings, dsn) as service:
        socket = bind("127.0.0.1", 0, "CALLGATE_PORT", reuse_port=False)
        url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        timeout = aiohttp.ClientTimeout(total=30)
        try:
            async with listening(service, [socket], shutdown_seconds=0.5):
                async with aiohttp.ClientSession(timeout=timeout) as session:
                    yield ApiClient(service, url, session)
        finally:
            service.pool.terminate()
