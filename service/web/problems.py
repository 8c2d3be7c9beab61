"""RFC 9457 problem documents: the one shape of every error that leaves over HTTP."""

from http import HTTPStatus

import orjson
from aiohttp import web

from service.domain import errors

RETRY_SECONDS = "2"

STATUS_OF: dict[type[errors.CallgateError], int] = {
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.InvalidError: 422,
    errors.ForbiddenError: 403,
    errors.UnavailableError: 503,
}


def problem(status: int, code: str, detail: str = "", **extra: object) -> web.Response:
    """Build a problem document. `code` is stable, `detail` is for people, `extra` is for programs."""
    body: dict[str, object] = {
        "type": f"urn:callgate:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
    }
    if detail:
        body["detail"] = detail
    return web.Response(
        status=status,
        body=orjson.dumps(body | extra, default=str),
        content_type="application/problem+json",
    )


def from_error(error: errors.CallgateError) -> web.Response:
    """The problem document of a domain error, by its nearest known class."""
    for kind in type(error).__mro__:
        if status := STATUS_OF.get(kind):
            response = problem(status, error.code, error.message, **error.facts)
            if status == 503:
                response.headers["Retry-After"] = RETRY_SECONDS
            return response
    return problem(500, "internal_error")
