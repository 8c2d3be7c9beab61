"""The policies of one organization in the panel: the mode of each, and its settings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel

from service.admin.changes import RecordedChanges
from service.admin.organizations.organizations import Organizations
from service.admin.policies.policies import OwnPolicy, PolicyCases
from service.store.vault import mask_sealed
from service.web.panel.kit.badges import Badge
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, FormError, judge, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.panel.policies.choosing import MODES
from service.web.shapes.policies import OwnPolicyBody

BADGES = {
    "enforce": Badge("Enforced", "good"),
    "shadow": Badge("Shadow", "wait"),
    "off": Badge("Off"),
}
MOST_SETTINGS = 50
LONGEST_DESCRIPTION = 2_000


@dataclass(frozen=True, slots=True)
class OwnPolicyRow:
    """A policy as the page prints it."""

    own: OwnPolicy

    @property
    def badge(self) -> Badge:
        if self.own.declared is None:
            return Badge("Not installed")
        if self.own.problem:
            return Badge("Settings refused", "bad")
        if not self.own.awake and self.own.mode != "off":
            return Badge("Asleep: no settings")
        return BADGES[self.own.mode]

    @property
    def own_choice(self) -> str:
        """What the organization has chosen itself; empty: nothing."""
        choice = self.own.choice
        if choice.settings is None:
            return choice.mode or ""
        return f"{choice.mode or 'mode as for all'}, with settings"


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of a description; `is_code`: it stood between backticks."""

    text: str
    is_code: bool


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting that a policy takes."""

    name: str
    meaning: Sequence[TextPart]
    required: bool


@dataclass(frozen=True, slots=True)
class OrganizationPolicyPages:
    """Read requests, call the use cases, render."""

    organizations: Organizations
    cases: PolicyCases

    def pages(self) -> list[PanelPage]:
        all_of_one = "/organizations/{organization_id}/policies"
        return [
            PanelPage("GET", all_of_one, self.list_page),
            PanelPage("GET", all_of_one + "/{name}", self.page),
            PanelPage("POST", all_of_one + "/{name}", self.put, "admin"),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        """All policies with the mode in force."""
        organization = await self.organizations.get(visit.id("organization_id"))
        found = await self.cases.list_own(organization)
        return await visit.show(
            "organizations/policies.html",
            organization=organization,
            rows=[OwnPolicyRow(one) for one in found],
        )

    async def page(self, visit: Visit) -> web.Response:
        own, context = await self.around(visit)
        settings = mask_sealed(own.choice.settings)
        text = "" if settings is None else dump_settings(settings)
        values = {"mode": own.choice.mode or "", "settings": text}
        return await visit.show("organizations/policy.html", values=values, **context)

    async def put(self, visit: Visit) -> web.Response:
        own, context = await self.around(visit)

        async def act(form: Form) -> web.Response:
            body = judge(
                OwnPolicyBody,
                {"mode": text_of(form, "mode") or None, "settings": read_settings(form)},
            )
            noted = RecordedChanges.of(visit.actor)
            await self.cases.change_own(noted, own.organization_id, own.name, body.changes)
            address = f"{ROOT}/organizations/{own.organization_id}/policies"
            if not noted.entries:
                return await visit.go(address, notice="Nothing was changed.")
            return await visit.go(address, notice="Saved.", undo=noted.entries[-1])

        return await fill_in(visit, "organizations/policy.html", act, **context)

    async def around(self, visit: Visit) -> tuple[OwnPolicy, dict[str, Any]]:
        """The policy, and what its page shows beside the values of its form."""
        organization = await self.organizations.get(visit.id("organization_id"))
        own = await self.cases.get_own(organization.id, visit.request.match_info["name"])
        model = own.declared.settings if own.declared else None
        return own, {
            "organization": organization,
            "own": own,
            "row": OwnPolicyRow(own),
            "may_change": visit.is_admin and own.declared is not None,
            "modes": [("", "As for all organizations"), *MODES.items()],
            "fields": [] if model is None else list_settings(model.model),
            "has_settings": model is not None,
        }


def dump_settings(settings: object) -> str:
    return orjson.dumps(settings, option=orjson.OPT_INDENT_2).decode()


def read_settings(form: Form) -> object:
    """The settings in the form; None for an empty field. Raises `FormError`."""
    text = text_of(form, "settings")
    if not text:
        return None
    try:
        return orjson.loads(text)
    except ValueError as exc:
        raise FormError({"settings": f"This is no JSON: {exc}."}) from None


def list_settings(model: type[BaseModel]) -> Sequence[SettingRow]:
    """The settings that a model takes, as its fields describe them."""
    return [
        SettingRow(
            name, parts_of((info.description or "")[:LONGEST_DESCRIPTION]), info.is_required()
        )
        for name, info in list(model.model_fields.items())[:MOST_SETTINGS]
    ]


def parts_of(description: str) -> list[TextPart]:
    """A description in parts, code apart; a backtick without a second one stays text."""
    parts = re.split(r"`([^`]+)`", description)
    return [TextPart(text, at % 2 == 1) for at, text in enumerate(parts) if text]
