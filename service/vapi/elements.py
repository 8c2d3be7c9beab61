"""Elements of Vapi's lists, each read by itself: a malformed one spoils no other. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from service.vapi import errors

ID = re.compile(r"[!-~]{1,200}")
"""What an id of Vapi may look like; other texts are refused, some of them by PostgreSQL."""

NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""The escape of a NUL character; after an odd number of backslashes the text is not an escape."""

UNREADABLE = (msgspec.MsgspecError, RecursionError, ValueError)

SHAPE_ERRORS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What reading the fields of an object of an unforeseen shape may raise."""

Object = dict[str, Any]


class RawPage(msgspec.Struct):
    """The shape of a page of `/v2`, its results undecoded."""

    results: list[msgspec.Raw]
    metadata: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class Elements:
    """The objects of a list that have an id, and how many other elements came."""

    objects: tuple[Object, ...]
    malformed: int = 0

    @property
    def came(self) -> int:
        """How many elements came."""
        return len(self.objects) + self.malformed


def decode(content: bytes | msgspec.Raw) -> object:
    """The JSON value of a body; None for anything else, such as HTML or half a body."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def without_nul(content: bytes) -> bytes:
    """A body without NUL characters, which PostgreSQL stores in no text."""
    return NUL.sub(rb"\1", content) if b"\\u0000" in content else content


def read_elements(content: bytes) -> Elements:
    """The elements of a bare list. Raises `VapiUnavailableError` if it is none."""
    content = without_nul(content)
    try:
        return sort_out(map(decode, msgspec.json.decode(content, type=list[msgspec.Raw])))
    except UNREADABLE:
        found = decode_leniently(content)
    if not isinstance(found, list):
        raise errors.VapiUnavailableError("Vapi's answer is not a list.")
    return sort_out(encodable(item) for item in found)


def read_page(content: bytes) -> tuple[Elements, Mapping[str, Any]]:
    """The elements of a page of `/v2`, and its metadata. Raises `VapiUnavailableError`."""
    content = without_nul(content)
    metadata: object
    try:
        page = msgspec.json.decode(content, type=RawPage)
        elements, metadata = sort_out(map(decode, page.results)), decode(page.metadata)
    except UNREADABLE:
        found = decode_leniently(content)
        results = found.get("results") if isinstance(found, dict) else None
        if not isinstance(results, list):
            raise errors.VapiUnavailableError("Vapi's answer is not a page of a list.") from None
        elements = sort_out(encodable(item) for item in results)
        metadata = found.get("metadata") if isinstance(found, dict) else None
    return elements, metadata if isinstance(metadata, Mapping) else {}


def sort_out(items: Iterable[object]) -> Elements:
    """Separate objects with an id from everything else.

    Raises `VapiUnavailableError` if nothing on the page can be read: that is no answer.
    """
    objects, malformed = [], 0
    for item in items:
        if isinstance(item, dict) and is_id(item.get("id")):
            objects.append(item)
        else:
            malformed += 1
    if malformed and not objects:
        raise errors.VapiUnavailableError(
            f"None of the {malformed} elements of Vapi's list can be read."
        )
    return Elements(tuple(objects), malformed)


def is_id(value: object) -> bool:
    """Whether a value can be an id of Vapi."""
    return isinstance(value, str) and ID.fullmatch(value) is not None


def decode_leniently(content: bytes) -> object:
    """The value of JSON with invalid UTF-8 or half characters in some text; None for anything else."""
    try:
        return json.loads(content.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def encodable(item: object) -> object:
    """The element; None if it holds half characters, which can neither be stored nor sent."""
    try:
        msgspec.json.encode(item)
    except (*UNREADABLE, TypeError, OverflowError):
        return None
    return item
