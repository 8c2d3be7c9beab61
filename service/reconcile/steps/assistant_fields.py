"""The webhook on the assistants that answer a number: which need it, and what shadows it. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from service.domain.phone_numbers import FieldDrift
from service.reconcile.desired import SECRET_HEADER, DesiredWebhook
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.route import Bound, EventListener, Route, repairable, route_of
from service.vapi.resources import AssistantView, PhoneNumberView

WITHIN = "assistant.server"
"""The prefix of the names of an assistant's drifted fields."""

UNPROVEN = (
    f"An assistant posts to us without this organization's secret, so its events are rejected: clear "
    f"its server, or add the header {SECRET_HEADER} of the phone number's server to it. An assistant "
    f"that answers numbers of several organizations must have no server of its own."
)


@dataclass(frozen=True, slots=True)
class AssistantNeeds:
    """What the assistants that answer a number need so that all call events reach us.

    `needed` are saved assistants that have to carry our webhook and do not, or not in every field.
    `others` are listeners that take events away and that no change of ours can repair.
    """

    route: Route
    answering: Mapping[str, AssistantView]
    needed: tuple[str, ...]
    others: tuple[EventListener, ...]

    @property
    def well(self) -> bool:
        return not self.needed and not self.others

    @property
    def remedy(self) -> str:
        """What an admin has to do at Vapi."""
        shadowed = self.others or shadows_of(self.route)
        return (self.route.remedy if shadowed else None) or UNPROVEN


NO_NEEDS = AssistantNeeds(Route("assistant_request", (), True, (), None), {}, (), ())
"""The needs of a number that nothing is bound to: only its own webhook counts."""


def is_bound(number: PhoneNumberView) -> bool:
    """Whether an assistant, squad or workflow answers the number."""
    return bool(number.assistant_id or number.squad_id or number.workflow_id)


def bound_to(number: PhoneNumberView, bound: Bound) -> Bound:
    """The part of `bound` that answers the number as it is bound now."""
    squad = bound.squad if number.squad_id else None
    ids = [number.assistant_id, *(squad.assistant_ids if squad else ())]
    found = {one: bound.assistants[one] for one in ids if one and one in bound.assistants}
    return Bound(found, squad, bound.workflow if number.workflow_id else None)


def assistant_needs(
    desired: DesiredWebhook,
    number: PhoneNumberView,
    bound: Bound,
    carrying: Collection[str],
    *,
    owned: Collection[str] = (),
    every_one: bool = False,
) -> AssistantNeeds:
    """Compare what answers a number with the desired webhook.

    Assistants in `carrying` have our webhook from us, so all its fields count. On those in `owned`,
    which the organization may read, a master secret is replaced. `every_one`: the number takes no
    webhook, so each assistant needs one even if it has no server of its own.
    """
    if not is_bound(number):
        return NO_NEEDS
    bound = bound_to(number, bound)
    route = route_of(desired.url, number, bound)
    shadows = shadows_of(route)
    mendable = repairable(replace(route, shadows=shadows))
    needed = [
        assistant_id
        for assistant_id, view in bound.assistants.items()
        if assistant_id in mendable
        or (
            webhook_fields.is_ours(desired, view.server)
            and not webhook_fields.is_accepted(desired, view.server)
        )
        or (assistant_id in owned and webhook_fields.carries_master(desired, view.server))
        or (every_one and not webhook_fields.is_ours(desired, view.server))
        or (assistant_id in carrying and webhook_fields.changes(desired, view.server))
    ]
    others = tuple(one for one in shadows if one.vapi_id not in mendable)
    return AssistantNeeds(route, bound.assistants, tuple(needed), others)


def shadows_of(route: Route) -> tuple[EventListener, ...]:
    """Listeners that take events away.

    An assistant that could not be read is assumed to take none; a squad's member whose server cannot
    be known is assumed to take them.
    """
    return tuple(
        listener
        for listener in route.shadows
        if listener.url is not None or listener.level == "squad_member"
    )


def route_drift(desired: DesiredWebhook, needs: AssistantNeeds) -> tuple[FieldDrift, ...]:
    """The drift of a number's route, field by field."""
    found = [
        FieldDrift(f"{listener.level}.server.url", desired.url, listener.url)
        for listener in shadows_of(needs.route)
    ]
    for assistant_id in needs.needed:
        server = needs.answering[assistant_id].server
        drift = webhook_fields.changes(desired, server, within=WITHIN)
        known = {entry.field for entry in found}
        if webhook_fields.is_ours(desired, server) or not found:
            found += [entry for entry in drift if entry.field not in known]
    return tuple(found)
