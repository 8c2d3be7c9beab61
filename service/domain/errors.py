"""What can go wrong in the words of the domain; the web layer turns each into a problem document."""


class CallgateError(Exception):
    """The root. `code` is the stable slug that the API, the log and the docs use; `facts` are for
    programs that read the error."""

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts
        if code is not None:
            self.code = code


class NotFoundError(CallgateError):
    """There is no such thing, or it was removed."""

    code = "not_found"


class ConflictError(CallgateError):
    """The change contradicts what is there already."""

    code = "conflict"


class InvalidError(CallgateError):
    """The request is well-formed and yet cannot be carried out as asked."""

    code = "invalid"


class ForbiddenError(CallgateError):
    """The sender is known, and may not do this."""

    code = "forbidden"


class UnavailableError(CallgateError):
    """A part that is needed (PostgreSQL, Vapi) does not answer; try again later."""

    code = "unavailable"
