"""What the options of several commands take: instants and JSON. A light command may import it: what
reads JSON as the API does is imported when an option has some."""

from datetime import datetime
from typing import Any

import typer

from service.domain.instants import parse_written_instant

NAME_IT = "Give its id, its external id or its exact name; a name that several have names none."
"""What to do where no organization is found."""
NULL = object()
"""What an option with the JSON text null gives: there is to be none. None: it was not given."""


def time_of(text: str) -> datetime:
    """A date, a time in UTC, or an instant with an offset. Raises `typer.BadParameter`."""
    try:
        return parse_written_instant(text)
    except ValueError as exc:
        raise typer.BadParameter(f"{text!r} {exc}.") from None


def json_of(text: str) -> Any:
    """A value as JSON, `NULL` for null. Raises `typer.BadParameter`."""
    from service.web.api.json_body import read_json  # noqa: PLC0415
    from service.web.shapes.errors import InputError  # noqa: PLC0415

    try:
        return NULL if (value := read_json(text.encode("utf-8", "replace"))) is None else value
    except InputError as exc:
        raise typer.BadParameter(exc.detail) from None
