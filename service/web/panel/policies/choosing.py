"""One policy in the panel: how it is asked for all organizations, and what it would do in shadow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from policies.host.registration import RegisteredPolicy
from service.access.policies.info import PolicyInfo
from service.admin.changes import RecordedChanges
from service.admin.policies.policies import PolicyCases, general_version
from service.domain.policies.choices import GeneralChoice, PolicyMode
from service.store.bounded import at_most
from service.store.clock import get_now
from service.store.policies.shadow_verdicts import find_places
from service.store.pool import UNAVAILABLE
from service.web.panel.kit.choices import Pair
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, judge, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.queries import read_filters
from service.web.panel.kit.visit import ROOT, Visit
from service.web.panel.policies.views import describe_report, differing_row
from service.web.shapes.paging import place_in_time, read_cursor, write_cursor
from service.web.shapes.policies import PolicyBody, ShadowQuery

RECENT = timedelta(days=7)
"""The period of the report where the address names none."""
REPORT_SECONDS = 1.0
MODES: Mapping[PolicyMode, str] = {
    "enforce": "Enforce: its verdict counts",
    "shadow": "Shadow: it is asked and recorded, and does not count",
    "off": "Off: it is not asked",
}
FAILURES: Sequence[Pair] = [("abstain", "No opinion"), ("allow", "Allowed"), ("deny", "Blocked")]


@dataclass(frozen=True, slots=True)
class PolicyChoicePages:
    """Read requests, call the use cases, render. `describe` lists the chain."""

    cases: PolicyCases
    describe: Callable[[], Sequence[PolicyInfo]]

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/policies/{name}", self.page),
            PanelPage("POST", "/policies/{name}", self.put, "admin"),
        ]

    async def page(self, visit: Visit) -> web.Response:
        """The choice, the report on its shadow, and the latest calls behind it."""
        name = visit.request.match_info["name"]
        chosen = await self.cases.get(name)
        values = {field: as_text(value) for field, value in asdict(chosen).items()}
        return await visit.show(
            "policies/page.html", values=values, **await self.around(visit, name, chosen)
        )

    async def put(self, visit: Visit) -> web.Response:
        name = visit.request.match_info["name"]
        chosen = await self.cases.get(name)

        async def act(form: Form) -> web.Response:
            body = judge(PolicyBody, choice_values(form))
            noted = RecordedChanges.of(visit.actor)
            await self.cases.change(noted, name, body.changes)
            address = f"{ROOT}/policies/{name}"
            if not noted.entries:
                return await visit.go(address, notice="Nothing was changed.")
            return await visit.go(address, notice="Saved.", undo=noted.entries[-1])

        context = await self.around(visit, name, chosen)
        return await fill_in(visit, "policies/page.html", act, **context)

    async def around(self, visit: Visit, name: str, chosen: GeneralChoice) -> dict[str, Any]:
        """What the page shows beside the values of its form, which are of the version of `chosen`."""
        declared = self.cases.get_declared(name)
        filters = read_filters(visit, ShadowQuery)
        query = filters.query
        since = query.since or await get_now(self.cases.pool) - RECENT
        after = read_cursor(query.cursor, place_in_time, str)
        place = None if after is None else (after[0], after[1])
        calls = await self.cases.list_differing(
            name, since, query.until, after=place, limit=query.limit + 1
        )
        shown, more = calls[: query.limit], len(calls) > query.limit
        places = await find_places(self.cases.pool, shown)
        return {
            "policy": next((one for one in self.describe() if one.name == name), None),
            "declared": declared,
            "version": general_version(name, chosen),
            "modes": list(MODES.items()),
            "failures": [("", f"As declared: {declared.on_failure}"), *FAILURES],
            "hints": hints_of(declared),
            "since": since,
            "until": query.until,
            "fault": filters.fault("verdicts"),
            "report": await self.describe_shadow(name, since, query.until),
            "calls": [differing_row(one, *places) for one in shown],
            "more": visit.here(
                cursor=write_cursor(shown[-1].at.isoformat(), shown[-1].vapi_call_id)
            )
            if more
            else None,
        }

    async def describe_shadow(self, name: str, since: datetime, until: datetime | None) -> str:
        """The report in words. It is not waited for: the form beside it switches the shadow off."""
        try:
            async with at_most(REPORT_SECONDS):
                return describe_report(await self.cases.report(name, since, until))
        except UNAVAILABLE:
            return "There are too many calls to count them in time. Choose a shorter period."


def as_text(value: object) -> object:
    """A stored value as a field shows it."""
    return "" if value is None else value


def choice_values(form: Form) -> dict[str, object]:
    """The choice in the form; an empty field is the policy's own."""
    mode = text_of(form, "mode")
    values: dict[str, object] = {
        "mode": mode or None,
        "order": number_of(text_of(form, "order"), int),
        "on_failure": text_of(form, "on_failure") or None,
        "timeout_seconds": number_of(text_of(form, "timeout_seconds"), float),
        "share": number_of(text_of(form, "share"), float),
    }
    return values if mode == "shadow" else {**values, "share": None}


def number_of(text: str, kind: type[int] | type[float]) -> object:
    """A number; None for an empty text, and anything else unchanged, for a shape to check."""
    if not text:
        return None
    try:
        return kind(text[:20])
    except ValueError:
        return text


def hints_of(declared: RegisteredPolicy) -> dict[str, str]:
    """What an empty field means."""
    return {
        "order": f"Smaller is asked first. Empty: {declared.order}, as declared.",
        "timeout_seconds": f"At most 2. Empty: {declared.timeout_seconds:g}, as declared.",
        "share": "For the mode shadow: the part of the organizations, such as 0.1. The policy is not "
        "asked for the others. Empty: all.",
    }


def describe_choice(chosen: GeneralChoice | PolicyInfo) -> str:
    """A mode for a list, with its share."""
    share = f" for {chosen.share:.0%} of organizations" if chosen.share is not None else ""
    return f"{chosen.mode}{share}"
