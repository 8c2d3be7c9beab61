"""The second half of a pass: see that a number's events come to us although assistants and squads
have a say in it, by putting the webhook on them where that is allowed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.domain.fingerprint import fingerprint
from service.domain.phone_numbers import FieldDrift, SyncState
from service.domain.priority import Priority
from service.reconcile import brakes
from service.reconcile.desired import SECRET_HEADER, DesiredWebhook
from service.reconcile.failures import fight_over, finding_of
from service.reconcile.metrics import ReconcileMetrics
from service.reconcile.observe import Observer
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import applied_of, cause_of
from service.reconcile.steps.assistants import WITHIN, AssistantWebhooks
from service.reconcile.steps.route import Bound, EventListener, Route, repairable, route_of
from service.store.reconcile.claims import PassResult, WebhookClaim
from service.vapi.errors import VapiRejectedError
from service.vapi.resources import PhoneNumberView

UNPROVEN = (
    f"An assistant posts to us without our secret, so that its events are refused: add the header "
    f"{SECRET_HEADER} of the phone number's server to the assistant's, or clear the assistant's."
)
NUMBER_REFUSED = "Vapi refuses a webhook on the number itself: it is kept on the assistant instead."


@dataclass(frozen=True, slots=True)
class RoutePass:
    """A pass that has dealt with the number itself. `refused`: Vapi would not have it there."""

    held: WebhookClaim
    seen: PhoneNumberView
    applied: Mapping[str, Any] | None
    refused: VapiRejectedError | None
    priority: Priority
    may_write: bool

    @property
    def only_assistants(self) -> bool:
        """Whether the events have to come by the assistants, because the number takes no webhook."""
        skipped = self.held.problem == "number_refused" and self.held.ordered_by is None
        return self.refused is not None or skipped


@dataclass(frozen=True, slots=True)
class RouteView:
    """What answers a number, and what is wrong with it.

    `wanted` are saved assistants that should carry our webhook, `others` what takes the events away
    and no repair of ours can mend.
    """

    bound: Bound
    route: Route
    wanted: tuple[str, ...]
    others: tuple[EventListener, ...]

    @property
    def well(self) -> bool:
        return not self.wanted and not self.others


def shadows_of(route: Route) -> tuple[EventListener, ...]:
    """What takes events away. An assistant that cannot be read takes none; a squad's member whose
    server nobody can know may."""
    return tuple(
        listener
        for listener in route.shadows
        if listener.url is not None or listener.level == "squad_member"
    )


def judge(
    desired: DesiredWebhook,
    bound: Bound,
    route: Route,
    carrying: Collection[str],
    *,
    all_of_them: bool = False,
) -> RouteView:
    """Judge a route. `carrying` assistants are configured by us, and have to be so in every field.
    `all_of_them`: each assistant has to carry the webhook, not only those with a server of their
    own. Pure."""
    shadows = shadows_of(route)
    mendable = repairable(replace(route, shadows=shadows))
    others = tuple(one for one in shadows if one.vapi_id not in mendable)
    wanted = [
        assistant_id
        for assistant_id, view in bound.assistants.items()
        if assistant_id in mendable
        or (
            webhook_fields.is_ours(desired, view.server)
            and not webhook_fields.is_accepted(desired, view.server)
        )
        or (all_of_them and not webhook_fields.is_ours(desired, view.server))
        or (assistant_id in carrying and webhook_fields.changes(desired, view.server))
    ]
    return RouteView(bound, route, tuple(wanted), others)


def drift_of(desired: DesiredWebhook, sight: RouteView) -> tuple[FieldDrift, ...]:
    """What is wrong with the route, field by field."""
    found = [
        FieldDrift(f"{listener.level}.server.url", desired.url, listener.url)
        for listener in shadows_of(sight.route)
    ]
    for assistant_id in sight.wanted:
        server = sight.bound.assistants[assistant_id].server
        drift = webhook_fields.changes(desired, server, within=WITHIN)
        known = {entry.field for entry in found}
        if webhook_fields.is_ours(desired, server) or not found:
            found += [entry for entry in drift if entry.field not in known]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class RouteStep:
    """`allowed`: the webhook may be put on an organization's own assistants."""

    observer: Observer
    assistants: AssistantWebhooks
    desired: DesiredWebhook
    tally: ReconcileMetrics
    allowed: bool = True

    async def settle(self, visit: RoutePass) -> PassResult:
        """Judge the route, mend what may be mended, give back what is no longer needed."""
        sight = await self.look(visit)
        held = visit.held
        if visit.may_write and self.is_mendable(held.owned_assistants, sight):
            undone = self.undone(held, sight)
            if undone and brakes.is_fight(held.fights):
                return fight_over(undone, held)
            for assistant_id in sight.wanted:
                if await self.assistants.configure(held, assistant_id, visit.priority):
                    self.tally.repaired("assistant")
            sight = await self.look(visit)
        if visit.may_write:
            for assistant_id in self.shared(held.assistant_ids, held.owned_assistants, sight):
                await self.assistants.configure(held, assistant_id, visit.priority)
        if visit.may_write and held.assistant_ids:
            bound = set(sight.bound.assistants)
            kept = bound & set(held.owned_assistants) if self.allowed else set()
            given_back = set(held.assistant_ids) - kept
            await self.assistants.give_back(held, kept, visit.priority)
            if given_back & bound:
                sight = await self.look(visit)
        return self.conclude(visit, sight)

    def undone(self, held: WebhookClaim, sight: RouteView) -> tuple[FieldDrift, ...]:
        """What somebody else has changed on assistants that we had configured."""
        found: list[FieldDrift] = []
        for assistant_id in sight.wanted:
            server = sight.bound.assistants[assistant_id].server
            drift = webhook_fields.changes(self.desired, server, within=WITHIN)
            cause = cause_of(drift, server, held.last_applied, self.desired)
            if assistant_id in held.assistant_ids and cause == "drift":
                found += drift
        return tuple(found)

    def shared(
        self, carrying: Collection[str], owned: Collection[str], sight: RouteView
    ) -> tuple[str, ...]:
        """Assistants that post to us already, for another number or by somebody's hand: this number
        needs it as well, so that the other one's release does not take it away."""
        return tuple(
            assistant_id
            for assistant_id, view in sight.bound.assistants.items()
            if self.allowed
            and assistant_id in owned
            and assistant_id not in carrying
            and webhook_fields.is_ours(self.desired, view.server)
        )

    async def look(self, visit: RoutePass) -> RouteView:
        """What answers the number now."""
        bound = await self.observer.bound(visit.seen, visit.priority)
        route = route_of(self.desired.url, visit.seen, bound)
        carrying = visit.held.assistant_ids
        return judge(self.desired, bound, route, carrying, all_of_them=visit.only_assistants)

    def is_mendable(self, owned: Collection[str], sight: RouteView) -> bool:
        """Whether our webhook on the assistants is allowed, and would bring all events to us."""
        ours = set(sight.wanted) <= set(owned)
        return self.allowed and bool(sight.wanted) and ours and not sight.others

    def conclude(self, visit: RoutePass, sight: RouteView) -> PassResult:
        """The outcome of the pass."""
        held = visit.held
        carried = bool(sight.bound.assistants) and sight.well
        if visit.only_assistants and not carried:
            if visit.refused is not None:
                return finding_of(visit.refused, held)
            # The assistant that carried it went: the number itself is tried again.
            return PassResult(SyncState.PENDING, retry_in=0.0)
        pause = held.pause_left if held.paused else None
        if not sight.well:
            return PassResult(
                SyncState.PAUSED if held.paused else SyncState.SHADOWED,
                drift_of(self.desired, sight),
                self.remedy(sight),
                "shadowed",
                retry_in=pause,
                applied=self.known(visit.applied),
            )
        return PassResult(
            SyncState.PAUSED if held.paused else SyncState.IN_SYNC,
            error=NUMBER_REFUSED if visit.only_assistants else None,
            problem="number_refused" if visit.only_assistants else None,
            retry_in=pause,
            level="assistant" if held.assistant_ids else "phone_number",
            applied=self.known(visit.applied),
        )

    def remedy(self, sight: RouteView) -> str:
        """What somebody has to do at Vapi."""
        if sight.others or shadows_of(sight.route):
            return sight.route.remedy or UNPROVEN
        return UNPROVEN

    def known(self, applied: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """What to remember of a number that is as it should be."""
        secret = self.desired.secret
        same = applied is not None and secret and applied.get("secret") == fingerprint(secret)
        return applied_of(self.desired, applied.get("shown") if same and applied else None)
