"""The kinds of bodies: requests are read strictly, responses are written from our own objects."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class RequestBody(BaseModel):
    """A request body: strict types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


def without_defaults(schema: dict[str, Any]) -> None:
    """Remove the defaults: a field that a change omits stays unchanged."""
    for part in schema["properties"].values():
        part.pop("default", None)


class PatchBody(RequestBody):
    """A change: only the fields that were sent count; the defaults here are placeholders."""

    model_config = ConfigDict(json_schema_extra=without_defaults)


class ResponseBody(BaseModel):
    """A response body."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)
