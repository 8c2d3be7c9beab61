"""RFC 9457 problem documents: the shape of every error over HTTP."""

from http import HTTPStatus

import orjson
from aiohttp import web

from service.domain.errors import CallgateError
from service.web.shapes.errors import InputError

RETRY_SECONDS = "2"
PROBLEM = "application/problem+json"


def problem(status: int, code: str, detail: str = "", **extra: object) -> web.Response:
    """Build a problem document. `code` is stable, `detail` is for people, `extra` is for programs."""
    body = problem_body(status, code, detail, **extra)
    return web.Response(status=status, body=body, content_type=PROBLEM)


def problem_body(status: int, code: str, detail: str = "", **extra: object) -> bytes:
    """Build the document alone."""
    body: dict[str, object] = {
        "type": f"urn:callgate:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
    }
    if detail:
        body["detail"] = detail
    return orjson.dumps(body | extra, default=str)


def from_input(error: InputError) -> web.Response:
    """Build the problem document of an invalid request."""
    extra = {"errors": error.errors} if error.errors else {}
    return problem(error.status, error.code, error.detail, **extra)


def from_error(error: CallgateError) -> web.Response:
    """Build the problem document of a domain error."""
    response = problem(error.status, error.code, error.message, **error.facts)
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = RETRY_SECONDS
    return response
