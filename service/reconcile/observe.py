"""Reads from Vapi: one number with what answers it, or all numbers by pages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.priority import Priority
from service.reconcile.steps.route import Bound
from service.vapi.bindings import routing_fields
from service.vapi.client import VapiClient
from service.vapi.errors import VapiNotFoundError, VapiRejectedError, VapiUnavailableError
from service.vapi.resources import (
    AssistantView,
    PhoneNumberPage,
    PhoneNumberView,
    SquadView,
    ToolView,
    WorkflowView,
)

PAGE = 1000
MOST_MEMBERS = 20
MOST_TOOLS = 20
MOST_PAGES = 10_000


PLAIN = AssistantView({})
"""An assistant without a server of its own: it shadows nothing."""

Beat = Callable[[], Awaitable[None]]


async def no_beat() -> None:
    """No heartbeat: for a sweep that no other replica may take over."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads one number at a time."""

    client: VapiClient

    async def number(self, vapi_id: str, priority: Priority) -> PhoneNumberView:
        """Read a number."""
        return PhoneNumberView(await self.client.get_phone_number(vapi_id, priority))

    async def bound(
        self, number: PhoneNumberView, priority: Priority, *, tools: bool = False
    ) -> Bound:
        """Read what answers the number; missing objects are left out. `tools`: read their tools too."""
        squad = workflow = None
        ids = [number.assistant_id] if number.assistant_id else []
        if number.squad_id:
            raw = await self.found(self.client.get_squad, number.squad_id, priority)
            squad = SquadView(raw) if raw else None
            ids += member_ids(squad)[:MOST_MEMBERS]
        if number.workflow_id:
            raw = await self.found(self.client.get_workflow, number.workflow_id, priority)
            workflow = WorkflowView(raw) if raw else None
        assistants = {}
        for assistant_id in dict.fromkeys(ids):
            raw = await self.found(self.client.get_assistant, assistant_id, priority)
            if raw:
                assistants[assistant_id] = AssistantView(raw)
        known: dict[str, ToolView] = {}
        if tools:
            wanted = [tool for one in assistants.values() for tool in one.tool_ids]
            for tool_id in list(dict.fromkeys(wanted))[:MOST_TOOLS]:
                raw = await self.found(self.client.get_tool, tool_id, priority)
                if raw:
                    known[tool_id] = ToolView(raw)
        return Bound(assistants, squad, workflow, known)

    async def assistant(self, assistant_id: str, priority: Priority) -> AssistantView:
        """Read one assistant."""
        return AssistantView(await self.client.get_assistant(assistant_id, priority))

    async def found(self, get: Any, item_id: str, priority: Priority) -> Mapping[str, Any]:
        """Read an object; empty where Vapi has none with this id."""
        try:
            found: Mapping[str, Any] = await get(item_id, priority)
        except VapiNotFoundError:
            return {}
        return found


@dataclass(slots=True)
class VapiListing:
    """Lists for one sweep: 1,000 objects a request.

    What answers the numbers is listed once, and only if a number is bound to its kind. Only the servers
    are kept, so that a hundred thousand objects fit in memory. `beat` is awaited after each answer, so
    that a long list does not look like a dead sweep.
    """

    client: VapiClient
    priority: Priority
    beat: Beat = no_beat
    assistants: dict[str, AssistantView] | None = None
    squads: dict[str, SquadView | None] | None = None
    workflows: dict[str, WorkflowView | None] | None = None

    async def pages(self) -> AsyncIterator[PhoneNumberPage]:
        """The pages of numbers, oldest first. Raises `VapiUnavailableError` if the list does not end or
        repeats a page."""
        former: str | None = None
        for page in range(1, MOST_PAGES):
            try:
                found = await self.client.list_phone_numbers_page(page, PAGE, self.priority)
            except (VapiNotFoundError, VapiRejectedError):
                if page > 1:
                    raise
                async for found in self.bare_pages():
                    yield found
                return
            await self.beat()
            first = found.numbers[0].id if found.numbers else None
            if first is not None and first == former:
                raise VapiUnavailableError("Vapi did not return the requested page.")
            former = first
            yield found
            if not found.has_next:
                return
        raise VapiUnavailableError("Vapi's list of phone numbers does not end.")

    async def bare_pages(self) -> AsyncIterator[PhoneNumberPage]:
        """The same from the older list, for accounts without the paged one."""
        async for numbers in self.client.list_phone_numbers(self.priority):
            await self.beat()
            yield PhoneNumberPage(numbers, has_next=True)

    async def bound(self, number: PhoneNumberView) -> Bound:
        """What answers a number on a page."""
        squad = workflow = None
        if number.squad_id:
            squad = await self.squad(number.squad_id)
        if number.workflow_id:
            workflow = await self.workflow(number.workflow_id)
        ids = [number.assistant_id] if number.assistant_id else []
        ids += member_ids(squad)[:MOST_MEMBERS]
        if not ids:
            return Bound({}, squad, workflow)
        listed = await self.listed()
        return Bound({one: listed.get(one, PLAIN) for one in ids}, squad, workflow)

    async def listed(self) -> dict[str, AssistantView]:
        """The assistants with a server of their own, listed when first needed."""
        if self.assistants is None:
            found: dict[str, AssistantView] = {}
            async for page in self.client.list_assistants(self.priority):
                await self.beat()
                for one in page:
                    if one.id and one.url:
                        found[one.id] = AssistantView(routing_fields(one.raw))
            self.assistants = found
        return self.assistants

    async def squad(self, squad_id: str) -> SquadView | None:
        """A squad; None if there is none. One that the list omits is read by its id."""
        if self.squads is None:
            found: dict[str, SquadView | None] = {}
            async for page in self.client.list_squads(self.priority):
                await self.beat()
                found.update({one.id: SquadView(routing_fields(one.raw)) for one in page if one.id})
            self.squads = found
        if squad_id not in self.squads:
            raw = await self.one(self.client.get_squad, squad_id)
            self.squads[squad_id] = SquadView(routing_fields(raw)) if raw else None
        return self.squads[squad_id]

    async def workflow(self, workflow_id: str) -> WorkflowView | None:
        """A workflow, read like `squad`."""
        if self.workflows is None:
            found: dict[str, WorkflowView | None] = {}
            async for page in self.client.list_workflows(self.priority):
                await self.beat()
                found.update(
                    {one.id: WorkflowView(routing_fields(one.raw)) for one in page if one.id}
                )
            self.workflows = found
        if workflow_id not in self.workflows:
            raw = await self.one(self.client.get_workflow, workflow_id)
            self.workflows[workflow_id] = WorkflowView(routing_fields(raw)) if raw else None
        return self.workflows[workflow_id]

    async def one(self, get: Any, item_id: str) -> Mapping[str, Any]:
        """Read an object that the list omits; empty where there is none with this id."""
        found = await Observer(self.client).found(get, item_id, self.priority)
        await self.beat()
        return found


def member_ids(squad: SquadView | None) -> list[str]:
    """The saved assistants of a squad."""
    members = squad.members if squad else ()
    return [member.assistant_id for member in members if member.assistant_id]
