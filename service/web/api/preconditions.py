"""The headers `ETag` and `If-Match` of the API (RFC 9110)."""

import re

from aiohttp import web
from pydantic import BaseModel

from service.admin.requests.versions import Expected, version_of
from service.web.shapes.bodies import ResponseBody
from service.web.shapes.errors import InputError

IF_MATCH = "If-Match"
ETAG = "ETag"
MOST_CHARACTERS = 4096
TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
LIST = re.compile(rf"[ \t,]*{TAG}[ \t]*(?:,[ \t]*(?:{TAG}[ \t]*)?)*")


def read_if_match(request: web.Request) -> Expected | None:
    """The versions in `If-Match`; None without it, or where any will do (`*`). Raises `InputError`.

    A weak tag fits nothing, as the comparison has to be strong.
    """
    text = ",".join(request.headers.getall(IF_MATCH, [])).strip(" \t")
    if IF_MATCH not in request.headers or text == "*":
        return None
    if len(text) > MOST_CHARACTERS or not LIST.fullmatch(text):
        raise InputError(
            400, "invalid_if_match", 'Send If-Match as * or as ETags in quotes: "abc", "def".'
        )
    return frozenset(tag for weak, tag in re.findall(TAG, text) if tag and not weak)


def has_etag(model: type[BaseModel]) -> bool:
    """Whether a body of this kind carries a tag."""
    chosen = model.has_tag if issubclass(model, ResponseBody) else None
    return "id" in model.model_fields if chosen is None else chosen


def etag_of(shape: BaseModel) -> str | None:
    """The tag of an object: of its version, else of all its fields; None for what is no object."""
    if not has_etag(type(shape)):
        return None
    version = shape.object_version if isinstance(shape, ResponseBody) else None
    return f'"{version or version_of(shape.model_dump(mode="json"))}"'
