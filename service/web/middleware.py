"""Around every request: errors become problem documents, unexpected ones are logged."""

from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from service.domain.errors import CallgateError
from service.store.failures import classify
from service.web.problems import from_error, problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}

log = structlog.get_logger()


@web.middleware
async def errors_as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every exception of a handler into a problem document."""
    try:
        return await handler(request)
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        response = problem(exc.status, CODES.get(exc.status, "http_error"), exc.reason)
        if "Allow" in exc.headers:
            response.headers["Allow"] = exc.headers["Allow"]
        return response
    except CallgateError as exc:
        return from_error(exc)
    except Exception as exc:
        if classify(exc) in ("unavailable", "conflict"):
            log.warning("request.unavailable", path=request.path, error=type(exc).__name__)
            response = problem(503, "unavailable", "The database does not respond. Retry.")
            response.headers["Retry-After"] = "2"
            return response
        log.exception("request.failed", method=request.method)
        return problem(500, "internal_error")
