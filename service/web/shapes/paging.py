"""Lists in pages: query parameters, one page of items, and cursors."""

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from service.domain.texts import is_all
from service.web.shapes.errors import InputError
from service.web.shapes.fields import digits_of

CURSOR = r"^[A-Za-z0-9_=-]*$"


Item = TypeVar("Item", bound=BaseModel)


class QueryParameters(BaseModel):
    """Query parameters; unknown ones are rejected."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(QueryParameters):
    """Paging: `cursor` is the `next_cursor` of the previous page."""

    limit: Annotated[int, BeforeValidator(digits_of)] = Field(default=50, ge=1, le=200)
    cursor: Annotated[str, StringConstraints(max_length=2000, pattern=CURSOR)] | None = None


class ExportQuery(QueryParameters):
    """The form of a file: CSV, or a line of JSON for each item."""

    format: Literal["csv", "jsonl"] = "csv"


class ListPage(BaseModel, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next_cursor: str | None

    @classmethod
    def model_parametrized_name(cls, params: tuple[type[Any], ...]) -> str:
        """The name in the OpenAPI document."""
        return f"{params[0].__name__}Page"


def write_cursor(*parts: object) -> str:
    """Write an opaque cursor of a place in a list."""
    return base64.urlsafe_b64encode(orjson.dumps([str(part) for part in parts])).decode()


def read_cursor(cursor: str | None, *kinds: Callable[[str], Any]) -> tuple[Any, ...] | None:
    """Parse a cursor; None is the beginning. Raises `InputError`."""
    if cursor is None:
        return None
    try:
        parts = orjson.loads(base64.b64decode(cursor.encode("ascii"), b"-_", validate=True))
        if not isinstance(parts, list) or len(parts) != len(kinds) or "\x00" in "".join(parts):
            raise ValueError("invalid place")
        return tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))
    except (ValueError, TypeError, OverflowError):
        raise InputError(422, "invalid_cursor", "The cursor is invalid.") from None


def place_in_time(text: str) -> datetime:
    """Parse an instant of a cursor. PostgreSQL wrote it, so it has a time zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None or not 1 < found.year < 9999:
        raise ValueError("invalid place")
    return found


def place_in_log(text: str) -> int:
    """Parse a number of a cursor."""
    if not is_all(r"[0-9]{1,18}", text):
        raise ValueError("invalid place")
    return int(text)
