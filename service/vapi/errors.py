"""Errors of requests to Vapi. Their texts never contain the private key or a control URL."""


class VapiError(Exception):
    """The base of all failures of Vapi, or of the connection to it."""


class VapiNotFoundError(VapiError):
    """404: there is no such phone number, call or assistant; or the call is already over."""


class VapiUnauthorizedError(VapiError):
    """401 or 403: the private key is wrong or revoked. A retry does not help."""


class VapiForbiddenError(VapiUnauthorizedError):
    """403: Vapi refuses the private key, or only the object that was asked for."""


class VapiRejectedError(VapiError):
    """Another 4xx: Vapi rejects the request. A retry does not help."""


class HostileUrlError(VapiError):
    """The control URL is not allowed; no connection was made."""


class VapiUnavailableError(VapiError):
    """5xx, a timeout, no connection, or an answer that Vapi does not document.

    `retry_after` is in seconds, None unless the answer named a time.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class VapiUnsureError(VapiUnavailableError):
    """Vapi's answer may be stale: it counts once a later read shows the same."""


class VapiThrottledError(VapiUnavailableError):
    """429: too many requests. Retry after `retry_after` seconds, where Vapi names a time."""


class VapiTooLargeError(VapiUnavailableError):
    """The answer exceeds the limit: a list is asked for in smaller pages."""
