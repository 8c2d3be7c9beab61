"""Questions of commands to the running service, whose policies are started and have their counts."""

import asyncio
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import ValidationError

from policies.host.loading import run_beside
from service.cli.running import ACTOR
from service.serve.addresses import admin_url
from service.store.failures import UNAVAILABLE, UNUSABLE
from service.web.shapes.decisions import AccessExplained

if TYPE_CHECKING:
    from service.admin.deciding_cases import DecidingCases

SECONDS = 10.0
MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """The decision of the running service, or why there is none."""

    address: str
    explained: AccessExplained | None = None
    problem: str = ""


async def ask_service(cases: "DecidingCases", organization_id: UUID, body: bytes) -> ServiceAnswer:
    """The decision on an organization by the service that listens where the settings say.

    The command proves itself by a token that it puts into the database for this question: another
    process that listens there instead gets nothing of use.
    """
    address = admin_url(cases.settings)
    path = f"/api/v1/organizations/{organization_id}/access"
    try:
        async with cases.tokens.lent(ACTOR, "explain", "organizations") as token:
            reply = await post(address, path, token, body)
    except (*UNAVAILABLE, *UNUSABLE):
        return ServiceAnswer(address, problem="the database took no token for the question")
    if reply is None:
        return ServiceAnswer(address, problem="no service answers there")
    if reply.status != HTTPStatus.OK:
        return ServiceAnswer(address, problem=f"it answered {reply.status}")
    if len(reply.body) > MOST_BYTES:
        return ServiceAnswer(address, problem="its answer is too long")
    try:
        return ServiceAnswer(address, AccessExplained.model_validate_json(reply.body))
    except ValidationError:
        return ServiceAnswer(address, problem="its answer is not Callgate's")


class Reply(NamedTuple):
    """The status and the body of an answer; of a longer body one byte over `MOST_BYTES`."""

    status: int
    body: bytes


async def post(address: str, path: str, token: str, body: bytes) -> Reply | None:
    """The answer of a service on this machine; None if there is none in time."""
    try:
        async with asyncio.timeout(SECONDS):
            return await run_beside(partial(post_now, address, path, token, body))
    except (HTTPException, OSError):
        return None


def post_now(address: str, path: str, token: str, body: bytes) -> Reply:
    """The same, blocking. With the standard library: aiohttp takes longer to import than to ask."""
    at = urlsplit(address)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with closing(HTTPConnection(at.hostname or "", at.port, timeout=SECONDS)) as connection:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return Reply(response.status, response.read(MOST_BYTES + 1))
