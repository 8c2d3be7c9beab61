"""The kinds of bodies: requests are read strictly, responses are written from our own objects."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class RequestBody(BaseModel):
    """A request body: strict types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


def without_defaults(schema: dict[str, Any]) -> None:
    """What a change leaves out stays as it is: it has no default."""
    for part in schema["properties"].values():
        part.pop("default", None)


class PatchBody(RequestBody):
    """A change: only the fields that are sent count, whatever stands for the others here."""

    model_config = ConfigDict(json_schema_extra=without_defaults)


class ResponseBody(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)
