"""The kinds of bodies: requests are read strictly, responses are written from our own objects.

Their validators are built when they are first used: a command uses a few, and would wait for all.
"""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr


class RequestBody(BaseModel):
    """A request body: strict types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


def without_defaults(schema: dict[str, Any]) -> None:
    """Remove the defaults: a field that a change omits stays unchanged."""
    for part in schema["properties"].values():
        part.pop("default", None)


class PatchBody(RequestBody):
    """A change: only the fields that were sent count; the defaults here are placeholders."""

    model_config = ConfigDict(json_schema_extra=without_defaults)


class ResponseBody(BaseModel):
    """A response body. `object_version` is the version of an object that admins change.

    `has_tag`: whether it has an ETag; None: if it has an id.
    """

    has_tag: ClassVar[bool | None] = None

    model_config = ConfigDict(extra="forbid", from_attributes=True, defer_build=True)

    _object_version: str | None = PrivateAttr(default=None)

    @property
    def object_version(self) -> str | None:
        return self._object_version

    def in_version(self, version: str) -> Self:
        """This body, as that of an object in a version."""
        self._object_version = version
        return self
