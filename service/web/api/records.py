"""The API's operations on what is read: calls, policies, audit; and on tokens."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from service.admin.tokens import Tokens
from service.domain.calls import Call
from service.domain.errors import NotFoundError
from service.store import call_list
from service.store.audit import list_audit
from service.store.pool import Pool
from service.web.api import shapes
from service.web.api.operations import (
    Asked,
    Operation,
    Page,
    PageQuery,
    read_cursor,
    write_cursor,
)
from service.web.api.organizations import decision_values


class CallsQuery(PageQuery):
    """Filters: one call, one organization, blocked or not."""

    vapi_call_id: str | None = Field(default=None, max_length=128, pattern=r"^[\x21-\x7e]+$")
    organization_id: UUID | None = None
    blocked: bool | None = None


class AuditQuery(PageQuery):
    """Filters: what was changed, and who changed it."""

    object_type: str | None = Field(default=None, max_length=100, pattern=r"^[^\x00]*$")
    object_id: str | None = Field(default=None, max_length=100, pattern=r"^[^\x00]*$")
    actor: str | None = Field(default=None, max_length=300, pattern=r"^[^\x00]*$")


def call_shape(call: Call) -> shapes.Call:
    """A call with its decision."""
    values = {name: getattr(call, name) for name in shapes.Call.model_fields}
    return shapes.Call.model_validate({**values, "decision": decision_values(call.decision)})


@dataclass(frozen=True, slots=True)
class RecordOperations:
    """Reads requests, calls the use cases, shapes answers. `describe` lists the chain."""

    pool: Pool
    tokens: Tokens
    describe: Callable[[], Sequence[object]]

    async def calls(self, asked: Asked) -> BaseModel:
        query: CallsQuery = asked.query
        after = read_cursor(query.cursor, datetime.fromisoformat, UUID)
        found = await call_list.list_page(
            self.pool,
            vapi_call_id=query.vapi_call_id,
            organization_id=query.organization_id,
            blocked=query.blocked,
            after=(after[0], after[1]) if after else None,
            limit=query.limit + 1,
        )
        cursor = None
        if len(found) > query.limit:
            last, at = found[query.limit - 1]
            cursor = write_cursor(at.isoformat(), last.id)
        return Page[shapes.Call](
            items=[call_shape(call) for call, _ in found[: query.limit]], next_cursor=cursor
        )

    async def call(self, asked: Asked) -> BaseModel:
        found = await call_list.find(self.pool, asked.ids["call_id"])
        if found is None:
            raise NotFoundError("There is no such call.", code="call_not_found")
        return call_shape(found)

    async def policies(self, _asked: Asked) -> BaseModel:
        return Page[shapes.Policy](
            items=[shapes.Policy.model_validate(policy) for policy in self.describe()]
        )

    async def audit(self, asked: Asked) -> BaseModel:
        query: AuditQuery = asked.query
        after = read_cursor(query.cursor, int)
        found = await list_audit(
            self.pool,
            object_type=query.object_type,
            object_id=query.object_id,
            actor=query.actor,
            before_id=min(after[0], 2**62) if after else None,
            limit=query.limit + 1,
        )
        items = [shapes.AuditEntry.model_validate(entry) for entry in found[: query.limit]]
        return Page[shapes.AuditEntry](
            items=items,
            next_cursor=write_cursor(items[-1].id) if len(found) > query.limit else None,
        )

    async def create_token(self, asked: Asked) -> BaseModel:
        body: shapes.TokenBody = asked.body
        token, secret = await self.tokens.create(
            asked.actor, name=body.name, role=body.role, expires_at=body.expires_at
        )
        return shapes.NewToken.model_validate({**asdict(token), "token": secret})

    async def list_tokens(self, asked: Asked) -> BaseModel:
        query: PageQuery = asked.query
        after = read_cursor(query.cursor, UUID)
        found = await self.tokens.list_page(
            asked.actor, after=after[0] if after else None, limit=query.limit + 1
        )
        items = [shapes.Token.model_validate(token) for token in found[: query.limit]]
        return Page[shapes.Token](
            items=items,
            next_cursor=write_cursor(items[-1].id) if len(found) > query.limit else None,
        )

    async def revoke_token(self, asked: Asked) -> None:
        await self.tokens.revoke(asked.actor, asked.ids["token_id"])

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/calls",
                "List calls, newest first",
                self.calls,
                Page[shapes.Call],
                query=CallsQuery,
            ),
            Operation("GET", "/calls/{call_id}", "Read a call", self.call, shapes.Call),
            Operation(
                "GET", "/policies", "List the chain in order", self.policies, Page[shapes.Policy]
            ),
            Operation(
                "GET",
                "/audit",
                "List changes, newest first",
                self.audit,
                Page[shapes.AuditEntry],
                query=AuditQuery,
            ),
            Operation(
                "POST",
                "/tokens",
                "Make a token; its secret is shown once",
                self.create_token,
                shapes.NewToken,
                status=201,
                body=shapes.TokenBody,
            ),
            Operation(
                "GET",
                "/tokens",
                "List tokens",
                self.list_tokens,
                Page[shapes.Token],
                query=PageQuery,
            ),
            Operation(
                "DELETE",
                "/tokens/{token_id}",
                "Revoke a token",
                self.revoke_token,
                None,
                status=204,
            ),
        ]
