"""What can go wrong with Vapi. Texts never hold the private key or a control URL."""


class VapiError(Exception):
    """The root of everything that Vapi, or the way to it, does wrong."""


class VapiNotFoundError(VapiError):
    """404: there is no such phone number, call or assistant; or the call is already over."""


class VapiUnauthorizedError(VapiError):
    """401 or 403: the private key is wrong or revoked. Trying again does not help."""


class VapiRejectedError(VapiError):
    """Another 4xx: Vapi understood and does not want it. Trying the same again does not help."""


class HostileUrlError(VapiError):
    """The control URL points to where it must not; nothing was connected."""


class VapiUnavailableError(VapiError):
    """5xx, a time-out, no connection, or an answer that is not what Vapi documents.

    `retry_after` is in seconds, None unless the answer named a time.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class VapiUnsureError(VapiUnavailableError):
    """What Vapi shows may be out of date: it is believed when a later look shows the same."""


class VapiThrottledError(VapiUnavailableError):
    """429: too many requests; come back after `retry_after` seconds, when Vapi said so."""
