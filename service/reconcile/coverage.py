"""The facts about a number at Vapi that coverage needs. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from service.domain.coverage.coverage import Answering, AtVapi
from service.inputs.urls import same_url
from service.reconcile.steps.remedies import describe_object
from service.reconcile.steps.route import Bound, route_of, who_answers
from service.vapi.bindings import FALLBACK
from service.vapi.message_types import EARLY
from service.vapi.resources import PhoneNumberView, ServerView, SquadView, mapping, texts

Levels = tuple[Mapping[str, Any], ...]


def at_vapi(desired_url: str, number: PhoneNumberView, bound: Bound) -> AtVapi:
    """The facts about a number whose events should all go to `desired_url`."""
    route = route_of(desired_url, number, bound)
    fallback = mapping(number.raw.get(FALLBACK))
    return AtVapi(
        asks=who_answers(number) == "assistant_request",
        reaches_us=route.reaches_us,
        number_is_ours=same_url(number.url, desired_url),
        why_not=tuple(one.why for one in route.listeners if not one.ours and one.level != "tool"),
        remedy=route.remedy,
        answering=tuple(answering(desired_url, number, bound)),
        texts=number.answers_texts,
        transfers_to=str(fallback.get("number") or fallback.get("type")) if fallback else None,
    )


def answering(desired_url: str, number: PhoneNumberView, bound: Bound) -> Iterator[Answering]:
    """The assistants that may answer the number, as far as they were read."""
    kind = who_answers(number)
    if kind == "squad" and bound.squad is not None:
        yield from members(desired_url, bound.squad, bound)
    elif kind == "assistant" and (view := bound.assistants.get(str(number.assistant_id))):
        versions = bound.splits.get(str(number.assistant_id), ())
        yield answering_one(
            desired_url, "assistant", view, view.name, (view.raw,), versions=versions
        )
    elif kind == "workflow" and bound.workflow is not None:
        yield answering_one(
            desired_url, "workflow", bound.workflow, bound.workflow.name, (bound.workflow.raw,)
        )


def members(desired_url: str, squad: SquadView, bound: Bound) -> Iterator[Answering]:
    """A squad's members: overrides for all members take precedence over those for one."""
    for member in squad.members:
        view = member.assistant or bound.assistants.get(member.assistant_id or "")
        if view is not None:
            levels = (squad.overrides.raw, member.overrides.raw, view.raw)
            name = member.overrides.name or view.name
            versions = bound.splits.get(member.assistant_id or "", ())
            yield answering_one(desired_url, "assistant", view, name, levels, versions=versions)


def answering_one(
    desired_url: str,
    what: str,
    view: ServerView,
    name: str | None,
    levels: Levels,
    *,
    versions: tuple[str, ...] = (),
) -> Answering:
    """One assistant or workflow. The first of `levels` that sets a field counts."""
    plan = next((mapping(one["monitorPlan"]) for one in levels if one.get("monitorPlan")), {})
    sent = next((texts(one["serverMessages"]) for one in levels if one.get("serverMessages")), ())
    return Answering(
        view.id,
        describe_object(what, name, view.id),
        controllable=plan.get("controlEnabled") is not False,
        tells_early=not sent or bool(EARLY & set(sent)),
        versions=versions,
        ours=same_url(view.url, desired_url),
    )
