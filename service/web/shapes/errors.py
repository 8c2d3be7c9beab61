"""An invalid request, to become a problem document."""

from collections.abc import Sequence

from pydantic import ValidationError

from policies.host.settings import plain

MAX_FAULTS = 20


class InputError(Exception):
    """The problem's status and code, and the list of its invalid fields."""

    def __init__(self, status: int, code: str, detail: str, errors: Sequence[object] = ()) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.errors = status, code, detail, errors


def faults(error: ValidationError) -> list[dict[str, str]]:
    """The invalid fields, without their values; long names are truncated."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        {
            "field": ".".join(str(part) for part in fault["loc"])[:100],
            "message": plain(fault["msg"]),
        }
        for fault in found[:MAX_FAULTS]
    ]
