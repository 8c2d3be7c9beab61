"""Vapi's lists for one sweep: numbers by pages, and what answers them. Reads only.

A list that ends with an error, or against its own metadata, is incomplete: what it shows counts, and
what it does not show is unknown.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from service.domain.priority import Priority
from service.domain.reconcile import AnswerFacts, WebhookClaim
from service.reconcile.observe import MOST_MEMBERS, Observer, member_ids
from service.reconcile.steps.answering import Answerers, find_answer
from service.reconcile.steps.route import Bound
from service.vapi.bindings import routing_fields
from service.vapi.client import VapiClient
from service.vapi.errors import (
    VapiError,
    VapiForbiddenError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiUnauthorizedError,
)
from service.vapi.pages import BarePage
from service.vapi.paging import PageWalk
from service.vapi.resources import (
    AssistantView,
    PhoneNumberView,
    ServerView,
    SquadView,
    WorkflowView,
)

MOST_READ = 100
"""How many objects that no list shows are read one by one: repairs need the budget too."""

PLAIN = AssistantView({})
"""An assistant without a server of its own: it shadows nothing."""

Beat = Callable[[], Awaitable[None]]
View = TypeVar("View", bound=ServerView)


class UnreadError(Exception):
    """What answers a number is neither listed nor could be read: the number is not judged."""


async def no_beat() -> None:
    """No heartbeat: for a sweep that no other replica may take over."""


@dataclass(slots=True)
class VapiListing:
    """Lists for one sweep: 1,000 objects a request, or as many as Vapi sends.

    What answers the numbers is listed once, and only if a number is bound to its kind. Only the servers
    are kept, so that a hundred thousand objects fit in memory. `beat` is awaited after each answer, so
    that a long list does not look like a dead sweep. `gaps` says which lists are incomplete and why,
    `malformed` counts elements that could not be read.
    """

    client: VapiClient
    priority: Priority
    beat: Beat = no_beat
    assistants: dict[str, AssistantView | None] | None = None
    squads: dict[str, SquadView | None] | None = None
    workflows: dict[str, WorkflowView | None] | None = None
    gaps: list[str] = field(default_factory=list)
    malformed: int = 0
    reads: int = 0

    async def pages(self) -> AsyncIterator[tuple[PhoneNumberView, ...]]:
        """The numbers by pages, oldest first, each once. Raises a `VapiError` of the first page only;
        one of a later page is a gap."""
        walk = PageWalk()
        while walk.page is not None:
            try:
                found = await self.client.list_phone_numbers_page(
                    walk.page, walk.limit, self.priority
                )
            except VapiError as exc:
                if walk.page > 1:
                    self.note_gap("phone numbers", exc)
                elif isinstance(exc, VapiNotFoundError | VapiRejectedError):
                    async for numbers in self.bare_pages():
                        yield numbers
                else:
                    raise
                return
            await self.beat()
            self.malformed += found.malformed
            yield walk.take(found)
        if walk.gap is not None:
            self.gaps.append(walk.gap)

    async def bare_pages(self) -> AsyncIterator[tuple[PhoneNumberView, ...]]:
        """The same from the older list, for accounts without the paged one."""
        first = True
        try:
            async for page in self.client.list_phone_numbers(self.priority):
                await self.beat()
                first = False
                self.malformed += page.malformed
                yield page.views
        except VapiError as exc:
            if first:
                raise
            self.note_gap("phone numbers", exc)

    async def bound(self, number: PhoneNumberView) -> Bound:
        """What answers a number on a page. Raises `UnreadError`."""
        squad = workflow = None
        if number.squad_id:
            squad = await self.squad(number.squad_id)
        if number.workflow_id:
            workflow = await self.workflow(number.workflow_id)
        ids = [number.assistant_id] if number.assistant_id else []
        ids += member_ids(squad)[:MOST_MEMBERS]
        assistants = {one: view for one in ids if (view := await self.assistant(one))}
        return Bound(assistants, squad, workflow)

    async def assistant(self, assistant_id: str) -> AssistantView | None:
        """An assistant, `PLAIN` without a server of its own; None if there is none. One that the list
        omits is read by its id."""
        if self.assistants is None:
            self.assistants = found = {}
            async for one in self.listed("assistants", self.client.list_assistants(self.priority)):
                found[str(one.id)] = reduced(one)
        if assistant_id not in self.assistants:
            raw = await self.one(self.client.get_assistant, assistant_id)
            self.assistants[assistant_id] = reduced(AssistantView(raw)) if raw else None
        return self.assistants[assistant_id]

    async def squad(self, squad_id: str) -> SquadView | None:
        """A squad, read like an assistant."""
        if self.squads is None:
            self.squads = found = {}
            async for one in self.listed("squads", self.client.list_squads(self.priority)):
                found[str(one.id)] = SquadView(routing_fields(one.raw))
        if squad_id not in self.squads:
            raw = await self.one(self.client.get_squad, squad_id)
            self.squads[squad_id] = SquadView(routing_fields(raw)) if raw else None
        return self.squads[squad_id]

    async def workflow(self, workflow_id: str) -> WorkflowView | None:
        """A workflow, read like an assistant."""
        if self.workflows is None:
            self.workflows = found = {}
            async for one in self.listed("workflows", self.client.list_workflows(self.priority)):
                found[str(one.id)] = WorkflowView(routing_fields(one.raw))
        if workflow_id not in self.workflows:
            raw = await self.one(self.client.get_workflow, workflow_id)
            self.workflows[workflow_id] = WorkflowView(routing_fields(raw)) if raw else None
        return self.workflows[workflow_id]

    async def answer(self, claim: WebhookClaim, number: PhoneNumberView) -> AnswerFacts | None:
        """What answers granted calls of a number; None if it is neither listed nor could be read."""

        async def assistant(item_id: str) -> bool:
            return await self.assistant(item_id) is not None

        async def squad(item_id: str) -> bool:
            return await self.squad(item_id) is not None

        async def workflow(item_id: str) -> bool:
            return await self.workflow(item_id) is not None

        try:
            return await find_answer(claim, number, Answerers(assistant, squad, workflow))
        except UnreadError:
            return None

    async def listed(self, name: str, pages: AsyncIterator[BarePage[View]]) -> AsyncIterator[View]:
        """The objects of a list; an error ends it and is a gap, also that the key does not reach them.
        Raises `VapiUnauthorizedError` for a refused key."""
        try:
            async for page in pages:
                await self.beat()
                self.malformed += page.malformed
                for view in page.views:
                    yield view
        except VapiError as exc:
            if is_of_key(exc):
                raise
            self.note_gap(name, exc)

    async def one(self, get: Any, item_id: str) -> Mapping[str, Any]:
        """Read an object that the list omits; empty where there is none with this id. Raises
        `UnreadError`."""
        self.reads += 1
        if self.reads > MOST_READ:
            raise UnreadError
        try:
            found = await Observer(self.client).found(get, item_id, self.priority)
        except VapiError as exc:
            if is_of_key(exc):
                raise
            raise UnreadError from None
        await self.beat()
        return found

    def note_gap(self, name: str, error: VapiError) -> None:
        """Note that a list is incomplete."""
        self.gaps.append(f"Vapi's list of {name} is incomplete: {error}")


def is_of_key(error: VapiError) -> bool:
    """Whether the key is refused: a 403 may be about one object, or about one kind."""
    return isinstance(error, VapiUnauthorizedError) and not isinstance(error, VapiForbiddenError)


def reduced(view: AssistantView) -> AssistantView:
    """The part of an assistant that routes events."""
    return AssistantView(routing_fields(view.raw)) if view.url else PLAIN
