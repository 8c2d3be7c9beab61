"""Numbers in the panel: the list, one's page with route, diff and history, and what is done there."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import orjson
from aiohttp import web

from service.admin.changes import RecordedChanges
from service.admin.phone_numbers.coverage import Coverages
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.admin.reconcile.numbers import NumberWebhooks
from service.domain.errors import CallgateError, InvalidError
from service.domain.phone_numbers import PhoneNumber, SyncState
from service.store import audit
from service.store.phone_numbers import phone_numbers as store
from service.store.phone_numbers.phone_numbers import PhoneNumberFilter
from service.store.pool import Pool
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, FormError, judge, read, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.shapes.phone_numbers import PhoneNumberPatch
from service.web.shapes.reconcile import PauseBody, RollbackBody, Route, change_shape

PER_PAGE = 50
SHOWN_CHANGES = 20
STATES = tuple(state.value for state in SyncState)
UNSETTLED = (SyncState.PENDING,)

Found = TypeVar("Found")


def address_of(phone_number_id: UUID) -> str:
    return f"{ROOT}/numbers/{phone_number_id}"


def called(number: PhoneNumber) -> str:
    """What people call a number, and type to confirm that they mean it."""
    return number.number or number.label or number.vapi_phone_number_id


def id_asked(visit: Visit, name: str) -> UUID | None:
    """An id in the address; what is none counts as not given."""
    try:
        return UUID(visit.asked(name))
    except ValueError:
        return None


async def told(work: Awaitable[Found]) -> tuple[Found | None, str]:
    """What Vapi says, or why it cannot be asked: a page is shown all the same."""
    try:
        return await work, ""
    except CallgateError as exc:
        return None, exc.message


@dataclass(frozen=True, slots=True)
class PhoneNumberPages:
    """Reads requests, calls the use cases, renders."""

    pool: Pool
    numbers: PhoneNumbers
    webhooks: NumberWebhooks
    coverages: Coverages

    def pages(self) -> list[PanelPage]:
        one = "/numbers/{phone_number_id}"
        return [
            PanelPage("GET", "/numbers", self.list_page),
            PanelPage("GET", one, self.page),
            PanelPage("GET", f"{one}/state", self.state),
            PanelPage("GET", f"{one}/route", self.route),
            PanelPage("GET", f"{one}/edit", self.edit, "admin"),
            PanelPage("POST", f"{one}/edit", self.change, "admin"),
            PanelPage("POST", f"{one}/sync", self.sync, "admin"),
            PanelPage("POST", f"{one}/pause", self.pause, "admin"),
            PanelPage("POST", f"{one}/resume", self.resume, "admin"),
            PanelPage("POST", f"{one}/roll-back", self.roll_back, "admin"),
            PanelPage("POST", f"{one}/release", self.release, "admin"),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        """The numbers that fit; a filter that does not exist is none."""
        state, gate = visit.asked("sync_state"), visit.asked("gate")
        wanted = PhoneNumberFilter(
            visit.asked("query")[:200],
            id_asked(visit, "organization_id"),
            state if state in STATES else None,
            gate if gate in ("event", "request") else None,
            visit.asked("paused") == "true",
        )
        found = await store.search(
            self.pool, wanted, after=id_asked(visit, "cursor"), limit=PER_PAGE + 1
        )
        shown = found[:PER_PAGE]
        return await visit.show(
            "phone_numbers/list.html",
            found=shown,
            names=await self.names([str(number.organization_id) for number in shown]),
            wanted=wanted,
            states=STATES,
            more=visit.here(cursor=shown[-1].id) if len(found) > PER_PAGE else None,
            filtered=wanted != PhoneNumberFilter(),
        )

    async def names(self, ids: list[str]) -> dict[str, str]:
        return await audit.find_names(self.pool, list(dict.fromkeys(ids)))

    async def context(self, number: PhoneNumber) -> dict[str, Any]:
        names = await self.names([str(number.organization_id)])
        return {
            "number": number,
            "called": called(number),
            "organization": names.get(str(number.organization_id), "its organization"),
            "here": address_of(number.id),
            "settling": number.sync.state in UNSETTLED and number.pause is None,
        }

    async def page(self, visit: Visit, status: int = 200, **context: Any) -> web.Response:
        """One number; what has to be asked of Vapi comes a moment later."""
        number = await self.numbers.get(visit.id("phone_number_id"))
        changes = await self.webhooks.changes(number.id, before_id=None, limit=SHOWN_CHANGES)
        values = {"faults": {}, "values": {}, **await self.context(number), **context}
        return await visit.show(
            "phone_numbers/page.html",
            status,
            changes=[change_shape(change) for change in changes],
            **values,
        )

    async def state(self, visit: Visit) -> web.Response:
        """How the webhook stands, for a page that waits for it."""
        number = await self.numbers.get(visit.id("phone_number_id"))
        return await visit.show("phone_numbers/state.html", **await self.context(number))

    async def route(self, visit: Visit) -> web.Response:
        """Where Vapi sends events now, and which calls are stopped where; asks Vapi."""
        number = await self.numbers.get(visit.id("phone_number_id"))
        route, why_no_route = await told(self.webhooks.route(number.id))
        coverage, why_no_coverage = await told(self.coverages.of(number.id))
        shown = None if route is None else Route.model_validate(route)
        return await visit.show(
            "phone_numbers/route.html" if visit.partial else "phone_numbers/route_page.html",
            number=number,
            called=called(number),
            route=shown,
            coverage=coverage,
            problem=why_no_route or why_no_coverage,
        )

    async def edit(self, visit: Visit) -> web.Response:
        number = await self.numbers.get(visit.id("phone_number_id"))
        values = {
            "label": number.label,
            "gate": number.gate,
            "organization_id": number.organization_id,
            "answer_with": orjson.dumps(number.answer_with).decode() if number.answer_with else "",
        }
        context = await self.context(number)
        return await visit.show("phone_numbers/edit.html", values=values, faults={}, **context)

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

        return await fill_in(visit, "phone_numbers/edit.html", act, **await self.context(number))

    async def sync(self, visit: Visit) -> web.Response:
        number = await self.numbers.sync(visit.actor, visit.id("phone_number_id"))
        words = {SyncState.IN_SYNC: "Looked at Vapi: all is as it should be."}
        text = words.get(number.sync.state, "Looked at Vapi: see below how it stands.")
        return await visit.go(address_of(number.id), notice=text)

    async def pause(self, visit: Visit) -> web.Response:
        """Change nothing at Vapi for this number for a while."""
        form = await visit.form()
        phone_number_id = visit.id("phone_number_id")
        try:
            body = read(PauseBody, form)
            noted = RecordedChanges.of(visit.actor)
            number = await self.webhooks.pause(
                noted, phone_number_id, reason=body.reason, until=body.until
            )
        except FormError as exc:
            return await self.page(visit, 422, faults=exc.faults, values=dict(form))
        except InvalidError as exc:
            return await self.page(visit, 422, faults={"until": exc.message}, values=dict(form))
        return await done(visit, number, noted, "Paused: nothing is changed at Vapi.")

    async def resume(self, visit: Visit) -> web.Response:
        noted = RecordedChanges.of(visit.actor)
        number = await self.webhooks.resume(noted, visit.id("phone_number_id"))
        return await done(visit, number, noted, "Resumed.")

    async def roll_back(self, visit: Visit) -> web.Response:
        """Put back what was there before a change; the number is paused by it."""
        body = judge(
            RollbackBody,
            {"change_id": whole(text_of(await visit.form(), "change"))},
        )
        number = await self.webhooks.roll_back(
            visit.actor, visit.id("phone_number_id"), change_id=body.change_id
        )
        text = "What was there before is back at Vapi, and the number is paused so that it stays."
        return await visit.go(address_of(number.id), notice=text)

    async def release(self, visit: Visit) -> web.Response:
        """Give the number up, once its name was typed."""
        number = await self.numbers.get(visit.id("phone_number_id"))
        if text_of(await visit.form(), "typed") != called(number):
            fault = f"Please type {called(number)} to confirm."
            return await self.page(visit, 422, faults={"typed": fault})
        await self.numbers.delete(visit.actor, number.id)
        text = f"{called(number)} was given up; what was there before goes back to Vapi."
        return await visit.go(f"{ROOT}/numbers", notice=text)


async def done(
    visit: Visit, number: PhoneNumber, noted: RecordedChanges, text: str
) -> web.Response:
    """Back to the number's page, with a way to take the change back."""
    undo = noted.entries[-1] if noted.entries else None
    return await visit.go(address_of(number.id), notice=text, undo=undo)


def whole(text: str) -> object:
    """Digits as their number; anything else for a shape to judge."""
    return int(text) if text.isdecimal() and len(text) < 18 else text


def read_answer(form: Form) -> object:
    """What answers a granted call, as JSON in Vapi's words. Raises `FormError`."""
    text = text_of(form, "answer_with")
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        fault = 'Please write JSON, such as {"assistantId": "…"}, or nothing.'
        raise FormError({"answer_with": fault}) from None
