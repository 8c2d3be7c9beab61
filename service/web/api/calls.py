"""The API's operations on calls."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from pydantic import BaseModel

from service.admin.calls.callers import Callers
from service.admin.calls.relayed import find_relayed
from service.admin.calls.shadows import add_shadows
from service.admin.calls.story import CallStories
from service.admin.errors import CallNotFoundError
from service.domain.calls import Call
from service.store.calls.listing import search as call_list
from service.store.pool import Pool
from service.web.api.operations import ApiRequest, Operation
from service.web.exports.calls import export_calls
from service.web.exports.export import EXPORT_SECONDS, Export
from service.web.shapes import calls as shapes
from service.web.shapes.calls import CallsExportQuery, CallsQuery, call_shape, sees_whole_numbers
from service.web.shapes.paging import ListPage, place_in_time, read_cursor, write_cursor


@dataclass(frozen=True, slots=True)
class CallOperations:
    """Read requests, call the use cases, shape answers."""

    pool: Pool
    stories: CallStories
    callers: Callers

    async def list_calls(self, request: ApiRequest) -> BaseModel:
        """Calls with their decisions. `search` is an exact id or a phone number, the last digits of a
        caller's number, or a part of an organization's name or of a number's label. Who sees callers'
        numbers masked finds a caller by exactly the last digits that the mask shows, or by the whole
        number.

        A page may hold fewer calls than its limit and still have a successor.
        """
        query: CallsQuery = request.query
        whole = sees_whole_numbers(request.actor.role)
        after = read_cursor(query.cursor, place_in_time, UUID)
        wanted = query.filter
        if query.vapi_call_id is not None:
            one = await call_list.find_by_vapi_id(self.pool, query.vapi_call_id)
            fits = one is not None and wanted.matches(one) and after is None
            return ListPage[shapes.Call](
                items=await self.shapes_of([one] if one and fits else [], whole=whole),
                next_cursor=None,
            )
        found = await call_list.find_page(
            self.pool,
            wanted,
            search=query.search,
            whole=whole,
            after=(after[0], after[1]) if after else None,
            limit=query.limit,
        )
        items = await self.shapes_of(found.calls, whole=whole)
        cursor = write_cursor(found.next[0].isoformat(), found.next[1]) if found.next else None
        return ListPage[shapes.Call](items=items, next_cursor=cursor)

    async def export_calls(self, request: ApiRequest) -> Export[shapes.Call]:
        """All calls that match the filters, as a file: CSV for spreadsheets, which run no cell of it, or
        JSON Lines with the same objects as the list. A connection that ends early is an error."""
        query: CallsExportQuery = request.query
        return export_calls(
            self.pool,
            query.filter,
            role=request.actor.role,
            search_text=query.search,
            vapi_call_id=query.vapi_call_id,
        )

    async def get_call(self, request: ApiRequest) -> BaseModel:
        """A call with its decision, its hang-up and its end."""
        found = await call_list.find(self.pool, request.ids["call_id"])
        if found is None:
            raise CallNotFoundError
        whole = sees_whole_numbers(request.actor.role)
        return (await self.shapes_of([found], whole=whole))[0]

    async def shapes_of(self, calls: Sequence[Call], *, whole: bool) -> list[shapes.Call]:
        """Calls with what was relayed of them, read in one statement."""
        relayed = await find_relayed(self.pool, calls)
        calls = await add_shadows(self.pool, calls)
        return [call_shape(call, relayed.get(call.id), whole=whole) for call in calls]

    async def list_call_events(self, request: ApiRequest) -> BaseModel:
        """What happened to a call, in order: messages, the decision, hang-up commands, the end."""
        story = await self.stories.get(request.ids["call_id"])
        items = [shapes.CallEvent.model_validate(step) for step in story.steps]
        return ListPage[shapes.CallEvent](items=items, next_cursor=None)

    async def forget_caller(self, request: ApiRequest) -> BaseModel:
        """Remove a caller from all records: the number, transcripts, messages that are kept for a
        server. The calls stay with their figures. Other machines keep records of their own on disk that
        PostgreSQL rejected, and Vapi keeps its own records of the calls."""
        body: shapes.ForgetBody = request.body
        run = self.callers.count if body.dry_run else self.callers.forget
        found = await run(request.actor, body.number)
        return shapes.ForgottenRecords(dry_run=body.dry_run, **asdict(found))

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/calls",
                "List calls, newest first",
                self.list_calls,
                ListPage[shapes.Call],
                query=CallsQuery,
            ),
            Operation(
                "GET",
                "/calls/export",
                "Export calls, newest first",
                self.export_calls,
                None,
                query=CallsExportQuery,
                exports=True,
                seconds=EXPORT_SECONDS,
            ),
            Operation(
                "POST",
                "/calls/forget",
                "Remove a caller from all records",
                self.forget_caller,
                shapes.ForgottenRecords,
                body=shapes.ForgetBody,
                is_long=True,
            ),
            Operation("GET", "/calls/{call_id}", "Get a call", self.get_call, shapes.Call),
            Operation(
                "GET",
                "/calls/{call_id}/events",
                "List the steps of a call",
                self.list_call_events,
                ListPage[shapes.CallEvent],
            ),
        ]
