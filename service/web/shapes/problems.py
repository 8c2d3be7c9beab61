"""The shape of problem documents (RFC 9457)."""

from pydantic import BaseModel, ConfigDict


class Fault(BaseModel):
    """An invalid field of a request."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457; `code` is stable."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    errors: list[Fault] | None = None
