"""The API's operations on what is read: calls, policies, audit; and on tokens."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, StringConstraints

from service.admin.calls.story import CallStories
from service.admin.people.tokens import Tokens
from service.domain.calls import Call
from service.domain.errors import NotFoundError
from service.store.audit import list_audit
from service.store.calls import search as call_list
from service.store.pool import Pool
from service.web.api.operations import (
    ApiRequest,
    ListPage,
    Operation,
    PageQuery,
    place_in_log,
    place_in_time,
    read_cursor,
    write_cursor,
)
from service.web.api.organizations import decision_values
from service.web.shapes import shapes
from service.web.shapes.fields import SEARCHABLE, Id, Instant, Searched, Truth


class CallsQuery(PageQuery):
    """Filters. `search` is any exact id or number: a call's, an organization's, a phone number's;
    `since` and `until` (exclusive) are about when a call was first heard of."""

    vapi_call_id: Searched | None = None
    organization_id: Id | None = None
    phone_number_id: Id | None = None
    blocked: Truth | None = None
    reason: Searched | None = None
    gate: Literal["request", "event", "ring"] | None = None
    since: Instant | None = None
    until: Instant | None = None
    search: Searched | None = None


class AuditQuery(PageQuery):
    """Filters: what was changed, who changed it, from where and when; `until` is exclusive."""

    object_type: Searched | None = None
    object_id: Searched | None = None
    actor: Annotated[str, StringConstraints(max_length=300, pattern=SEARCHABLE)] | None = None
    source: Searched | None = None
    action: Searched | None = None
    since: Instant | None = None
    until: Instant | None = None


class PoliciesPage(ListPage[shapes.Policy]):
    """The chain, and what could not be loaded into it."""

    problems: list[shapes.PluginProblem]


def call_shape(call: Call) -> shapes.Call:
    """A call with its decision."""
    values = {name: getattr(call, name) for name in shapes.Call.model_fields}
    return shapes.Call.model_validate({**values, "decision": decision_values(call.decision)})


@dataclass(frozen=True, slots=True)
class RecordOperations:
    """Reads requests, calls the use cases, shapes answers. `describe` lists the chain, `problems` is
    what could not be loaded into it."""

    pool: Pool
    tokens: Tokens
    describe: Callable[[], Sequence[object]]
    problems: Sequence[object]
    stories: CallStories

    async def calls(self, asked: ApiRequest) -> BaseModel:
        query: CallsQuery = asked.query
        after = read_cursor(query.cursor, place_in_time, UUID)
        wanted = call_list.CallFilter(
            query.organization_id,
            query.phone_number_id,
            query.blocked,
            query.reason,
            query.gate,
            query.since,
            query.until,
        )
        if query.vapi_call_id is not None:
            one = await call_list.find_by_vapi_id(self.pool, query.vapi_call_id)
            fits = one is not None and wanted.matches(one) and after is None
            return ListPage[shapes.Call](
                items=[call_shape(one)] if one and fits else [], next_cursor=None
            )
        found = await call_list.find_page(
            self.pool,
            wanted,
            search=query.search,
            after=(after[0], after[1]) if after else None,
            limit=query.limit,
        )
        items = [call_shape(call) for call in found.calls]
        cursor = write_cursor(found.next[0].isoformat(), found.next[1]) if found.next else None
        return ListPage[shapes.Call](items=items, next_cursor=cursor)

    async def call(self, asked: ApiRequest) -> BaseModel:
        found = await call_list.find(self.pool, asked.ids["call_id"])
        if found is None:
            raise NotFoundError("There is no such call.", code="call_not_found")
        return call_shape(found)

    async def call_events(self, asked: ApiRequest) -> BaseModel:
        story = await self.stories.get(asked.ids["call_id"])
        items = [shapes.CallEvent.model_validate(step) for step in story.steps]
        return ListPage[shapes.CallEvent](items=items, next_cursor=None)

    async def policies(self, asked: ApiRequest) -> BaseModel:
        query: PageQuery = asked.query
        after = read_cursor(query.cursor, place_in_log)
        start = after[0] if after else 0
        found = [shapes.Policy.model_validate(policy) for policy in self.describe()]
        end = start + query.limit
        return PoliciesPage(
            items=found[start:end],
            next_cursor=write_cursor(end) if end < len(found) else None,
            problems=[shapes.PluginProblem.model_validate(one) for one in self.problems],
        )

    async def audit(self, asked: ApiRequest) -> BaseModel:
        query: AuditQuery = asked.query
        after = read_cursor(query.cursor, place_in_log)
        found = await list_audit(
            self.pool,
            object_type=query.object_type,
            object_id=query.object_id,
            actor=query.actor,
            source=query.source,
            action=query.action,
            since=query.since,
            until=query.until,
            before_id=after[0] if after else None,
            limit=query.limit + 1,
        )
        items = [shapes.AuditEntry.model_validate(entry) for entry in found[: query.limit]]
        return ListPage[shapes.AuditEntry](
            items=items,
            next_cursor=write_cursor(items[-1].id) if len(found) > query.limit else None,
        )

    async def create_token(self, asked: ApiRequest) -> BaseModel:
        body: shapes.TokenBody = asked.body
        token, secret = await self.tokens.create(
            asked.actor,
            name=body.name,
            role=body.role,
            scopes=body.scopes,
            expires_at=body.expires_at,
        )
        return shapes.NewToken.model_validate({**asdict(token), "token": secret})

    async def list_tokens(self, asked: ApiRequest) -> BaseModel:
        query: PageQuery = asked.query
        after = read_cursor(query.cursor, UUID)
        found = await self.tokens.list_page(
            asked.actor, after=after[0] if after else None, limit=query.limit + 1
        )
        items = [shapes.Token.model_validate(token) for token in found[: query.limit]]
        return ListPage[shapes.Token](
            items=items,
            next_cursor=write_cursor(items[-1].id) if len(found) > query.limit else None,
        )

    async def revoke_token(self, asked: ApiRequest) -> None:
        await self.tokens.revoke(asked.actor, asked.ids["token_id"])

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/calls",
                "List calls, newest first",
                self.calls,
                ListPage[shapes.Call],
                query=CallsQuery,
            ),
            Operation("GET", "/calls/{call_id}", "Read a call", self.call, shapes.Call),
            Operation(
                "GET",
                "/calls/{call_id}/events",
                "Tell what happened in a call, step by step",
                self.call_events,
                ListPage[shapes.CallEvent],
            ),
            Operation(
                "GET",
                "/policies",
                "List the chain in order",
                self.policies,
                PoliciesPage,
                query=PageQuery,
            ),
            Operation(
                "GET",
                "/audit",
                "List changes, newest first",
                self.audit,
                ListPage[shapes.AuditEntry],
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
                ListPage[shapes.Token],
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
