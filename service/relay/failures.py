"""Why an organization's server did not take a message, in words of ours."""

import aiohttp

from service.domain.errors import InvalidError
from service.relay.report import UnansweredReason
from service.relay.sender import AnswerTooLargeError, RelayLoopError, ServerStatusError


def reason_of(exc: Exception) -> UnansweredReason:
    """Why there is no answer, in one word."""
    if isinstance(exc, ServerStatusError):
        return "status"
    return "timeout" if isinstance(exc, TimeoutError) else "failed"


def describe_failure(exc: BaseException) -> str:
    """What went wrong, as a sentence without any text of the server."""
    if isinstance(exc, ServerStatusError):
        return f"It answered with status {exc.status}."
    if isinstance(exc, TimeoutError):
        return "It did not answer in time."
    if isinstance(exc, AnswerTooLargeError):
        return "Its answer exceeds the limit."
    if isinstance(exc, RelayLoopError):
        return "Its address leads back to Callgate."
    if isinstance(exc, InvalidError):
        return "Its address is not allowed."
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return "Its name cannot be resolved."
    if isinstance(exc, aiohttp.ClientConnectorError):
        return "The connection was refused or timed out."
    return f"The exchange broke off ({type(exc).__name__})."
