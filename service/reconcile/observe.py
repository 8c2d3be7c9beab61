"""Reads from Vapi: one number with what answers it. `listing` reads all numbers by pages."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.domain.priority import Priority
from service.domain.reconcile import AnswerFacts, WebhookClaim
from service.reconcile.steps.answering import Answerers, find_answer
from service.reconcile.steps.route import Bound
from service.vapi.client import VapiClient
from service.vapi.errors import VapiError, VapiNotFoundError
from service.vapi.resources import (
    AssistantView,
    PhoneNumberView,
    SquadView,
    ToolView,
    WorkflowView,
)
from service.vapi.traffic import read_split

MOST_MEMBERS = 20
MOST_TOOLS = 20
MOST_SPLITS = 5


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

    async def splits(self, bound: Bound, priority: Priority) -> Bound:
        """Read how Vapi splits the calls of what answers a number; most organizations have no access."""
        found = {}
        for assistant_id in list(bound.assistants)[:MOST_SPLITS]:
            with contextlib.suppress(VapiError):
                found[assistant_id] = read_split(
                    await self.client.get_traffic(assistant_id, priority)
                )
        return replace(bound, splits=found)

    async def answer(
        self, claim: WebhookClaim, number: PhoneNumberView, bound: Bound | None, priority: Priority
    ) -> AnswerFacts:
        """What answers granted calls of a number; `bound` is what was read of it already."""
        known = {} if bound is None else bound.assistants

        async def assistant(item_id: str) -> bool:
            found = item_id in known or await self.found(
                self.client.get_assistant, item_id, priority
            )
            return bool(found)

        async def squad(item_id: str) -> bool:
            return bool(await self.found(self.client.get_squad, item_id, priority))

        async def workflow(item_id: str) -> bool:
            return bool(await self.found(self.client.get_workflow, item_id, priority))

        return await find_answer(claim, number, Answerers(assistant, squad, workflow))

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


def member_ids(squad: SquadView | None) -> list[str]:
    """The saved assistants of a squad."""
    members = squad.members if squad else ()
    return [member.assistant_id for member in members if member.assistant_id]
