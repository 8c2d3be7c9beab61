"""Where Vapi sends a number's events, and why. Pure: the caller reads what is needed.

Each event goes to exactly one URL, the first of: tool (its own calls only), assistant or workflow,
phone number, organization (Vapi's docs, "Setting server URLs"). A squad's overrides take precedence
over its members' overrides, and both over the assistants. Handoffs by a tool, and what our own answer
to an assistant-request names, are not followed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from service.inputs.urls import same_url
from service.reconcile.steps.remedies import Level, Source, capital, describe_object, remedy
from service.vapi.resources import (
    AssistantView,
    PhoneNumberView,
    SquadMemberView,
    SquadView,
    ToolView,
    WorkflowView,
)

Events = Literal["assistant-request", "call events", "tool calls"]
AnsweredBy = Literal["assistant", "squad", "workflow", "assistant_request"]


@dataclass(frozen=True, slots=True)
class EventListener:
    """A server that gets some of a number's events. `level` says where it is configured.

    `vapi_id` and `name` identify the object to edit: for a squad's member, the squad. `url` is None
    where it could not be read; the organization's cannot be read at all. "call events" are all but the
    assistant-request, including tool calls unless a tool names a server.
    """

    level: Level
    vapi_id: str | None
    name: str | None
    url: str | None
    ours: bool
    events: Events
    why: str


@dataclass(frozen=True, slots=True)
class Bound:
    """What answers a number, as far as it was read; objects missing here are unknown.

    `splits` are the versions over which Vapi splits an assistant's calls, by its id.
    """

    assistants: Mapping[str, AssistantView]
    squad: SquadView | None = None
    workflow: WorkflowView | None = None
    tools: Mapping[str, ToolView] = field(default_factory=dict)
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """Which server gets which events, in order of precedence, and the remedy if it is not ours.

    `shadows` take precedence over the number's own server and are not ours, or could not be read
    (`unread`). A number that itself posts elsewhere is no shadow: then `reaches_us` is False and
    `shadows` empty.
    """

    answered_by: AnsweredBy
    listeners: tuple[EventListener, ...]
    reaches_us: bool
    shadows: tuple[EventListener, ...]
    remedy: str | None

    @property
    def unread(self) -> tuple[EventListener, ...]:
        """Possible shadows: objects that could not be read."""
        return tuple(listener for listener in self.shadows if listener.url is None)


def route_of(desired_url: str, number: PhoneNumberView, bound: Bound) -> Route:
    """The route of a number whose events should all go to `desired_url`."""
    answered_by = who_answers(number)
    found = tuple(dict.fromkeys(sources(answered_by, number, bound)))
    taking = {listener_of(source, desired_url): source for source in found if source is not None}
    shadows = tuple(listener for listener in taking if not listener.ours)
    at_number: list[EventListener] = []
    if not found or any(source is None or source.url is None for source in found):
        wanted: tuple[Events, ...] = ("call events",)
        if answered_by == "assistant_request":
            wanted = ("assistant-request", "call events")
        at_number = [number_listener(number, desired_url, events) for events in wanted]
    reaches_us = not shadows and all(listener.ours for listener in at_number)
    shading = [taking[listener] for listener in shadows]
    return Route(
        answered_by,
        (*tool_listeners(desired_url, answered_by, number, bound), *taking, *at_number),
        reaches_us,
        shadows,
        None if reaches_us else remedy(shading, number, desired_url, falls_through=bool(at_number)),
    )


def repairable(route: Route) -> tuple[str, ...]:
    """The saved assistants whose own servers shadow us; empty if anything else shadows us too.

    Our URL in these assistants then brings us the events that they take.
    """
    ids = [
        listener.vapi_id
        for listener in route.shadows
        if listener.level == "assistant" and listener.url is not None and listener.vapi_id
    ]
    return tuple(ids) if len(ids) == len(route.shadows) else ()


def who_answers(number: PhoneNumberView) -> AnsweredBy:
    """What the number binds; without a binding Vapi sends an assistant-request."""
    if number.assistant_id:
        return "assistant"
    if number.squad_id:
        return "squad"
    return "workflow" if number.workflow_id else "assistant_request"


def sources(
    answered_by: AnsweredBy, number: PhoneNumberView, bound: Bound
) -> Iterator[Source | None]:
    """The overriding server of each assistant that may answer; None: it uses the number's."""
    if answered_by == "assistant":
        yield assistant_source(str(number.assistant_id), bound.assistants)
    elif answered_by == "workflow":
        view, item_id = bound.workflow, number.workflow_id
        what = describe_object("workflow", view.name if view else None, item_id)
        if view is None:
            yield Source("workflow", item_id, None, "", None, what)
        else:
            url = view.url
            yield Source("workflow", item_id, view.name, view.url_field, url, what) if url else None
    elif answered_by == "squad" and bound.squad is None:
        what = describe_object("squad", None, number.squad_id)
        yield Source("squad", number.squad_id, None, "", None, what)
    elif answered_by == "squad" and bound.squad is not None:
        yield from squad_sources(str(number.squad_id), bound.squad, bound.assistants)


def squad_sources(
    squad_id: str, squad: SquadView, assistants: Mapping[str, AssistantView]
) -> Iterator[Source | None]:
    """The sources of each member of a squad."""
    what = describe_object("squad", squad.name, squad_id)
    if squad.overrides.url:
        path = f"membersOverrides.{squad.overrides.url_field}"
        yield Source(
            "squad", squad_id, squad.name, path, squad.overrides.url, what, clearable=False
        )
        return
    for place, member in enumerate(squad.members):
        yield member_source(squad_id, f"members[{place}]", member, what, assistants)


def member_source(
    squad_id: str,
    path: str,
    member: SquadMemberView,
    squad: str,
    assistants: Mapping[str, AssistantView],
) -> Source | None:
    """The server of one member: from its overrides, else from its saved or inline assistant."""
    known = member.assistant or assistants.get(member.assistant_id or "")
    name = member.overrides.name or (known.name if known else None)
    overriding = f"{path}.assistantOverrides"
    if url := member.overrides.url:
        over = f"{overriding}.{member.overrides.url_field}"
        return Source("squad_member", squad_id, name, over, url, squad, clearable=False)
    if member.assistant_id and not member.assistant_version:
        return assistant_source(member.assistant_id, assistants)
    if member.assistant_id is None and (inline := member.assistant) is not None:
        field = f"{path}.assistant.{inline.url_field}"
        return (
            Source("squad_member", squad_id, name, field, inline.url, squad) if inline.url else None
        )
    because = f"{path} names no assistant"
    if member.assistant_id:
        # The saved assistant is its latest version; the pinned one may have another server.
        because = f"{path} is pinned to version {member.assistant_version} of its assistant"
    return Source(
        "squad_member", squad_id, name, f"{overriding}.server.url", None, squad, unread=because
    )


def assistant_source(assistant_id: str, assistants: Mapping[str, AssistantView]) -> Source | None:
    """The server of a saved assistant; None: it uses the number's."""
    view = assistants.get(assistant_id)
    what = describe_object("assistant", view.name if view else None, assistant_id)
    if view is None:
        return Source("assistant", assistant_id, None, "", None, what)
    if view.url is None:
        return None
    return Source("assistant", assistant_id, view.name, view.url_field, view.url, what)


def listener_of(source: Source, desired_url: str) -> EventListener:
    """The listener that a source makes."""
    ours = same_url(source.url, desired_url)
    if source.url is None:
        why = f"{capital(source.what)} may have a server of its own: {source.unread}."
    elif ours:
        why = f"{capital(source.what)} has our URL in `{source.field}`."
    else:
        why = f"`{source.field}` of {source.what} overrides the phone number's server."
    return EventListener(
        source.level, source.vapi_id, source.name, source.url, ours, "call events", why
    )


def number_listener(number: PhoneNumberView, desired_url: str, events: Events) -> EventListener:
    """The listener for events that nothing overrides: the number's server, else the organization's."""
    if number.url is None:
        why = "The phone number has no server: the organization's server gets these, if it is set."
        return EventListener("organization", None, None, None, False, events, why)
    why = {
        "assistant-request": "No assistant, squad or workflow is bound: Vapi asks which one answers.",
        "call events": "The phone number's server gets the events that nothing overrides.",
    }[events]
    ours = same_url(number.url, desired_url)
    return EventListener("phone_number", number.id, number.name, number.url, ours, events, why)


def tool_listeners(
    desired_url: str, answered_by: AnsweredBy, number: PhoneNumberView, bound: Bound
) -> tuple[EventListener, ...]:
    """Tools with a server of their own, and saved tools that could not be read."""
    holders = tool_holders(answered_by, number, bound)
    inline = [tool for holder in holders for tool in holder.tools]
    if answered_by == "squad" and bound.squad is not None:
        for overrides in (bound.squad.overrides, *(item.overrides for item in bound.squad.members)):
            inline.extend(overrides.appended_tools)
    saved = [tool_id for holder in holders for tool_id in holder.tool_ids]
    named = [(tool.id, tool) for tool in inline] + [(item, bound.tools.get(item)) for item in saved]
    found = []
    for tool_id, tool in named:
        name, url = (tool.name, tool.url) if tool is not None else (None, None)
        what = capital(describe_object("tool", name, tool_id))
        if tool is None:
            why = f"{what} may have a server of its own: it could not be read."
        elif url is not None:
            why = f"{what} has a server of its own."
        else:
            continue
        ours = same_url(url, desired_url)
        found.append(EventListener("tool", tool_id, name, url, ours, "tool calls", why))
    return tuple(dict.fromkeys(found))


def tool_holders(
    answered_by: AnsweredBy, number: PhoneNumberView, bound: Bound
) -> list[AssistantView | WorkflowView]:
    """The objects whose tools may be called; overrides with a model replace the assistant's."""
    if answered_by == "workflow":
        return [bound.workflow] if bound.workflow else []
    if answered_by == "assistant":
        view = bound.assistants.get(number.assistant_id or "")
        return [view] if view else []
    if answered_by != "squad" or bound.squad is None:
        return []
    if bound.squad.overrides.has_model:
        return [bound.squad.overrides]
    talking = [
        item.overrides
        if item.overrides.has_model
        else item.assistant or bound.assistants.get(item.assistant_id or "")
        for item in bound.squad.members
    ]
    return [view for view in talking if view is not None]
