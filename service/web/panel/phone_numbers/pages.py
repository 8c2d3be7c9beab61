"""One phone number in the panel, with its route, drift and history."""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
from aiohttp import web

from service.admin.changes import RecordedChanges
from service.admin.errors import PreconditionFailedError
from service.admin.phone_numbers.coverage import Coverages
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.admin.reconcile.numbers import NumberWebhooks
from service.admin.requests.versions import expecting
from service.domain.errors import CallgateError, InvalidError
from service.domain.phone_numbers import PhoneNumber, SyncState
from service.store import audit
from service.store.pool import Pool
from service.store.reconcile.changes import MOST_COUNTED
from service.web.panel.kit.columns import describe_total
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, FormError, judge, read, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.versions import expected_of
from service.web.panel.kit.visit import ROOT, Visit
from service.web.panel.phone_numbers.route_views import CoverageView, NumberRouteView
from service.web.panel.phone_numbers.views import (
    GATES,
    NOT_RESTORABLE,
    NumberView,
    address_of,
    change_view,
    name_of,
    organization_link,
)
from service.web.shapes.paging import place_in_log, read_cursor, write_cursor
from service.web.shapes.phone_numbers import PhoneNumberPatch
from service.web.shapes.reconcile import PauseBody, RollbackBody, Route, change_shape

SHOWN_CHANGES = 20

Found = TypeVar("Found")


async def result_or_problem(work: Awaitable[Found]) -> tuple[Found | None, str]:
    """The result, or the problem in its place: the page is shown without it."""
    try:
        return await work, ""
    except CallgateError as exc:
        return None, exc.message


CHANGED_SINCE = "Another admin changed this number since you opened the page. Read it again first."


@dataclass(frozen=True, slots=True)
class PhoneNumberPages:
    """Read requests, call the use cases, render."""

    pool: Pool
    numbers: PhoneNumbers
    webhooks: NumberWebhooks
    coverages: Coverages

    def pages(self) -> list[PanelPage]:
        one = "/numbers/{phone_number_id}"
        return [
            PanelPage("GET", one, self.page),
            PanelPage("GET", f"{one}/state", self.state),
            PanelPage("GET", f"{one}/route", self.route),
            PanelPage("GET", f"{one}/edit", self.edit, "admin"),
            PanelPage("POST", f"{one}/edit", self.change, "admin"),
            PanelPage("POST", f"{one}/sync", self.sync, "admin"),
            PanelPage("POST", f"{one}/relink", self.relink, "admin"),
            PanelPage("POST", f"{one}/pause", self.pause, "admin"),
            PanelPage("POST", f"{one}/resume", self.resume, "admin"),
            PanelPage("POST", f"{one}/roll-back", self.roll_back, "admin"),
            PanelPage("POST", f"{one}/release", self.release, "admin"),
        ]

    async def names(self, ids: list[str]) -> dict[str, str]:
        return await audit.find_names(self.pool, list(dict.fromkeys(ids)))

    async def view(self, number: PhoneNumber) -> NumberView:
        names = await self.names([str(number.organization_id)])
        return NumberView(number, organization_link(number, names))

    async def page(self, visit: Visit, status: int = 200, **context: Any) -> web.Response:
        """One number. The page fetches the route from Vapi after it has loaded."""
        number = await self.numbers.get(visit.id("phone_number_id"))
        before = read_cursor(visit.asked("cursor") or None, place_in_log)
        found = await self.webhooks.changes(
            number.id, before_id=before[0] if before else None, limit=SHOWN_CHANGES + 1
        )
        changes = found[:SHOWN_CHANGES]
        total = await self.webhooks.count_changes(number.id)
        return await visit.show(
            "phone_numbers/page.html",
            status,
            view=await self.view(number),
            changes=[change_view(change_shape(change)) for change in changes],
            total=describe_total(total, "change", most=MOST_COUNTED),
            more=f"{address_of(number.id)}?cursor={quote(write_cursor(changes[-1].id))}"
            if len(found) > SHOWN_CHANGES
            else None,
            **{"values": {}, **context},
        )

    async def state(self, visit: Visit) -> web.Response:
        """The state of the webhook, for a page that waits for it."""
        number = await self.numbers.get(visit.id("phone_number_id"))
        return await visit.show("phone_numbers/state.html", view=await self.view(number))

    async def route(self, visit: Visit) -> web.Response:
        """Where Vapi sends events now, and where calls are stopped. Asks Vapi.

        If that changes the state of the webhook (Vapi no longer has the number), the open page learns
        it with the route.
        """
        before = await self.numbers.get(visit.id("phone_number_id"))
        route, route_problem = await result_or_problem(self.webhooks.route(before.id))
        coverage, coverage_problem = await result_or_problem(self.coverages.of(before.id))
        number = await self.numbers.get(before.id)
        changed = visit.partial and number.sync.state is not before.sync.state
        return await visit.show(
            "phone_numbers/route.html" if visit.partial else "phone_numbers/route_page.html",
            view=replace(await self.view(number), apart=changed),
            route=NumberRouteView(Route.model_validate(route)) if route else None,
            coverage=CoverageView(coverage) if coverage else None,
            problem=route_problem or coverage_problem,
        )

    async def edit(self, visit: Visit) -> web.Response:
        number = await self.numbers.get(visit.id("phone_number_id"))
        values = {
            "label": number.label,
            "gate": number.gate,
            "organization_id": number.organization_id,
            "answer_with": orjson.dumps(number.answer_with).decode() if number.answer_with else "",
        }
        view = await self.view(number)
        return await visit.show("phone_numbers/edit.html", values=values, view=view, gates=GATES)

    async def change(self, visit: Visit) -> web.Response:
        number = await self.numbers.get(visit.id("phone_number_id"))

        async def act(form: Form) -> web.Response:
            body = judge(
                PhoneNumberPatch,
                {
                    "organization_id": text_of(form, "organization_id"),
                    "label": text_of(form, "label") or None,
                    "gate": text_of(form, "gate"),
                    "answer_with": read_answer(form),
                },
            )
            noted = RecordedChanges.of(visit.actor)
            values = body.model_dump(include=body.model_fields_set)
            await self.numbers.change(noted, number.id, values)
            return await done(visit, number, noted, "Saved.")

        view = await self.view(number)
        return await fill_in(visit, "phone_numbers/edit.html", act, view=view, gates=GATES)

    async def sync(self, visit: Visit) -> web.Response:
        number = await self.numbers.sync(visit.actor, visit.id("phone_number_id"))
        in_sync = number.sync.state is SyncState.IN_SYNC
        text = "Checked: in sync." if in_sync else "Checked. See the state below."
        return await visit.go(address_of(number.id), notice=text)

    async def pause(self, visit: Visit) -> web.Response:
        """Pause the repairs of this number."""
        form = await visit.form()
        phone_number_id = visit.id("phone_number_id")
        try:
            body = read(PauseBody, form)
            noted = RecordedChanges.of(visit.actor)
            with expecting(expected_of(form)):
                number = await self.webhooks.pause(
                    noted, phone_number_id, reason=body.reason, until=body.until
                )
        except PreconditionFailedError as exc:
            return await self.page(visit, exc.status, faults={"": CHANGED_SINCE})
        except FormError as exc:
            return await self.page(visit, 422, faults=exc.faults, values=dict(form))
        except InvalidError as exc:
            return await self.page(visit, 422, faults={"until": exc.message}, values=dict(form))
        return await done(visit, number, noted, "Repairs of this number are paused.")

    async def resume(self, visit: Visit) -> web.Response:
        noted = RecordedChanges.of(visit.actor)
        try:
            with expecting(expected_of(await visit.form())):
                number = await self.webhooks.resume(noted, visit.id("phone_number_id"))
        except PreconditionFailedError as exc:
            return await self.page(visit, exc.status, faults={"": CHANGED_SINCE})
        return await done(visit, number, noted, "Repairs of this number are resumed.")

    async def roll_back(self, visit: Visit) -> web.Response:
        """Roll back a change at Vapi. This pauses the number."""
        body = judge(
            RollbackBody,
            {"change_id": whole(text_of(await visit.form(), "change"))},
        )
        number = await self.webhooks.roll_back(
            visit.actor, visit.id("phone_number_id"), change_id=body.change_id
        )
        text = "The change is rolled back at Vapi. The number is paused, so that it stays so."
        return await visit.go(address_of(number.id), notice=text)

    async def relink(self, visit: Visit) -> web.Response:
        """Link the number to the id under which Vapi has it again."""
        number = await self.numbers.relink(visit.actor, visit.id("phone_number_id"))
        text = f"{name_of(number)} is linked to its new id at Vapi."
        return await visit.go(address_of(number.id), notice=text)

    async def release(self, visit: Visit) -> web.Response:
        """Release the number after its name was typed."""
        number, form = await self.numbers.get(visit.id("phone_number_id")), await visit.form()
        if text_of(form, "typed") != name_of(number):
            fault = f"Type {name_of(number)} to confirm."
            return await self.page(visit, 422, faults={"typed": fault})
        try:
            with expecting(expected_of(form)):
                await self.numbers.delete(visit.actor, number.id)
        except PreconditionFailedError as exc:
            return await self.page(visit, exc.status, faults={"typed": CHANGED_SINCE})
        text = f"{name_of(number)} was released; its previous webhook is being restored."
        if number.secret_lost:
            text = f"{text} {NOT_RESTORABLE}"
        return await visit.go(f"{ROOT}/numbers", notice=text)


async def done(
    visit: Visit, number: PhoneNumber, noted: RecordedChanges, text: str
) -> web.Response:
    """Return to the number's page, with a button to undo the change."""
    undo = noted.entries[-1] if noted.entries else None
    return await visit.go(address_of(number.id), notice=text, undo=undo)


def whole(text: str) -> object:
    """Digits as a number; anything else unchanged, for a shape to check."""
    return int(text) if text.isdecimal() and len(text) < 18 else text


def read_answer(form: Form) -> object:
    """The answer to allowed calls, as JSON with Vapi's field names. Raises `FormError`."""
    text = text_of(form, "answer_with")
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        fault = 'Enter JSON, such as {"assistantId": "…"}, or leave it empty.'
        raise FormError({"answer_with": fault}) from None
