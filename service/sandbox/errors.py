"""Vapi's error bodies: one JSON shape, raised by handlers and rules."""

from collections.abc import Sequence
from http import HTTPStatus

import orjson
from aiohttp import web


class VapiProblem(Exception):  # noqa: N818 - it is an answer of the API, not an error of ours
    """An answer other than 2xx. 400 carries a list of messages, the others one sentence."""

    def __init__(self, status: int, message: str | Sequence[str]) -> None:
        super().__init__(message)
        self.status = status
        self.message = message if isinstance(message, str) else list(message)

    def response(self, headers: dict[str, str] | None = None) -> web.Response:
        """The answer in Vapi's shape."""
        body = {
            "message": self.message,
            "error": HTTPStatus(self.status).phrase,
            "statusCode": self.status,
        }
        return web.Response(
            status=self.status,
            body=orjson.dumps(body),
            content_type="application/json",
            headers=headers,
        )


def not_found(what: str) -> VapiProblem:
    """The 404 of a missing resource, such as `Phone Number`."""
    return VapiProblem(404, f"Couldn't Get {what}. Does Not Exist.")


def unauthorized() -> VapiProblem:
    return VapiProblem(
        401,
        "Invalid Key. Hot tip, you may be using the private key instead of the public key, "
        "or vice versa.",
    )
