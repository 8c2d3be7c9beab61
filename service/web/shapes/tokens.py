"""The shapes of API tokens."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from service.domain.people import Scope
from service.web.shapes.bodies import RequestBody, ResponseBody
from service.web.shapes.fields import Instant, Name


class TokenBody(RequestBody):
    name: Name
    role: Literal["viewer", "support", "admin"]
    scopes: Annotated[list[Scope], Field(max_length=50)] = Field(default_factory=list)
    expires_at: Instant | None = None


class Token(ResponseBody):
    id: UUID
    name: str
    role: Literal["viewer", "support", "admin"]
    scopes: list[Scope]
    created_by: str
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None
    last_used_at: Instant | None


class NewToken(Token):
    token: str
