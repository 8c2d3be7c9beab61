"""The header `Idempotency-Key` of the API's POST operations."""

import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from service.admin.actor import Actor
from service.admin.errors import IdempotencyInProgressError
from service.admin.requests.idempotency import Idempotency, digest_of
from service.domain.errors import CallgateError
from service.store.idempotency_keys import KeptAnswer
from service.web.problems import from_error, from_input
from service.web.shapes.errors import InputError

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MOST_CHARACTERS = 255
KEY = re.compile(r"[\x21-\x7e]+")
KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Cache-Control")

Serve = Callable[[], Awaitable[web.Response]]


def read_key(request: web.Request) -> str | None:
    """The key of a request; None without one. Raises `InputError`."""
    found = request.headers.getall(HEADER, [])
    if not found:
        return None
    if len(found) > 1 or len(found[0]) > MOST_CHARACTERS or not KEY.fullmatch(found[0]):
        raise InputError(
            400,
            "invalid_idempotency_key",
            f"Send one {HEADER} of 1 to {MOST_CHARACTERS} visible ASCII characters.",
        )
    return found[0]


async def serve_once(
    keys: Idempotency,
    request: web.Request,
    actor: Actor,
    serve: Serve,
    *,
    seconds: float,
    is_secret: bool,
) -> web.Response:
    """Answer a POST; one with a key that was answered before gets the same answer again."""
    key = read_key(request)
    if key is None:
        return await serve()
    digest = digest_of(request.method, request.raw_path, await request.read())
    try:
        async with keys.running(actor, key, digest, seconds=seconds, is_secret=is_secret) as run:
            if run.earlier is not None:
                return replayed(run.earlier)
            response = await answer(serve)
            run.answer = kept(response)
            return response
    except IdempotencyInProgressError as exc:
        response = from_error(exc)
        response.headers["Retry-After"] = "1"
        return response


async def answer(serve: Serve) -> web.Response:
    """The answer to a request, an error's too."""
    try:
        return await serve()
    except InputError as exc:
        return from_input(exc)
    except IdempotencyInProgressError:
        raise
    except CallgateError as exc:
        return from_error(exc)


def kept(response: web.Response) -> KeptAnswer:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return KeptAnswer(response.status, headers, response.text)


def replayed(answer: KeptAnswer) -> web.Response:
    """The first answer again."""
    body = None if answer.body is None else answer.body.encode()
    return web.Response(
        status=answer.status, body=body, headers={**answer.headers, REPLAYED: "true"}
    )
