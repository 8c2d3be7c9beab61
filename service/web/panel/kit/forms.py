"""Forms, checked by the shapes that check the API's bodies, with each fault at its field."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar, get_args

from multidict import MultiDict, MultiDictProxy
from pydantic import BaseModel, ValidationError

from service.domain.instants import parse_written_instant
from service.web.shapes.errors import faults

LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)
"""The format of a browser's date field. Without the script it means UTC, as its label says."""

Shape = TypeVar("Shape", bound=BaseModel)
Form = MultiDictProxy[str]


class FormError(Exception):
    """An invalid form. `faults` are its errors by field; "" is the form as a whole."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in faults.items()))
        self.faults = faults


def is_instant(annotation: Any) -> bool:
    return annotation is datetime or any(is_instant(part) for part in get_args(annotation))


def text_of(form: Form, name: str) -> str:
    """A field without surrounding spaces; "" if it is absent."""
    return form.get(name, "").strip()


def read(shape: type[Shape], form: Form, **given: object) -> Shape:
    """Parse a form as `shape`. Empty fields count as absent; `given` are further values.

    A repeated field becomes a list where the shape has one. Raises `FormError`.
    """
    values: dict[str, object] = {}
    for name, field in shape.model_fields.items():
        if name not in form:
            continue
        if "list" in str(field.annotation) or "tuple" in str(field.annotation):
            values[name] = [item.strip() for item in form.getall(name) if item.strip()]
            continue
        text = text_of(form, name)
        if text:
            values[name] = written(text) if is_instant(field.annotation) else text
    return judge(shape, {**values, **given})


def written(text: str) -> datetime | str:
    """The instant that a field or an address has; any other text unchanged, for a shape to check."""
    try:
        return parse_written_instant(text)
    except ValueError:
        return text


def with_exact(form: Form, stored: object, *names: str) -> Form:
    """The form with the exact instants of `stored` in the fields that were not moved: they show minutes,
    and saving the rest must not cut off the seconds."""
    kept = MultiDict(form)
    for name in names:
        at: datetime | None = getattr(stored, name, None)
        if at is not None and written(text_of(form, name)) == at.replace(second=0, microsecond=0):
            kept[name] = at.isoformat()
    return MultiDictProxy(kept)


def judge(shape: type[Shape], values: Mapping[str, object]) -> Shape:
    """Check values by `shape`. Raises `FormError`."""
    try:
        return shape.model_validate(values)
    except ValidationError as exc:
        found: dict[str, str] = {}
        for fault in faults(exc):
            found.setdefault(fault["field"].partition(".")[0], sentence(fault["message"]))
        raise FormError(found) from None


def sentence(text: str) -> str:
    """A fault as a sentence under its field."""
    if text == "Field required":
        return "This field is required."
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
