"""API tokens in the panel: the list, creating one (its secret is shown once), revoking."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from policies.host.ids import find_uuid
from service.admin.people.tokens import Tokens
from service.domain.people import SCOPES
from service.domain.wording.labels import label_slug
from service.store.people.tokens import ApiToken
from service.web.panel.kit.badges import Badge, state_badge
from service.web.panel.kit.choices import Option
from service.web.panel.kit.columns import describe_total
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, FormError, read, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.panel.people.pages import role_choices
from service.web.shapes.tokens import TokenBody

PAGE_SIZE = 50


def state_of(token: ApiToken) -> str:
    """Whether a token works."""
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= datetime.now(UTC):
        return "expired"
    return "active"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as pages print it."""

    token: ApiToken

    @property
    def badge(self) -> Badge:
        return state_badge(state_of(self.token))

    @property
    def scopes(self) -> str:
        return ", ".join(label_slug(scope) for scope in self.token.scopes) or "Everything"

    @property
    def actor(self) -> str:
        """Its name in the audit log."""
        return f"token:{self.token.name}"


def scope_options(chosen: Container[str]) -> list[Option]:
    return [Option(scope, label_slug(scope), scope in chosen) for scope in SCOPES]


@dataclass(frozen=True, slots=True)
class TokenPages:
    """Read requests, call the use cases, render."""

    tokens: Tokens

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/tokens", self.list_page, "admin"),
            PanelPage("GET", "/tokens/new", self.new, "admin"),
            PanelPage("POST", "/tokens/new", self.create, "admin"),
            PanelPage("GET", "/tokens/{token_id}", self.show, "admin"),
            PanelPage("POST", "/tokens/{token_id}/revoke", self.revoke, "admin"),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        after = find_uuid(visit.asked("after"))
        found = await self.tokens.list_page(visit.actor, after=after, limit=PAGE_SIZE + 1)
        shown = found[:PAGE_SIZE]
        more = visit.here(after=shown[-1].id) if len(found) > PAGE_SIZE else None
        total = await self.tokens.count(visit.actor)
        return await visit.show(
            "tokens/list.html",
            rows=[TokenRow(token) for token in shown],
            total=describe_total(total, "token"),
            more=more,
        )

    async def new(self, visit: Visit) -> web.Response:
        values = {"role": "viewer"}
        return await visit.show(
            "tokens/new.html",
            values=values,
            faults={},
            choices=role_choices(),
            scopes=scope_options(()),
        )

    async def create(self, visit: Visit) -> web.Response:
        form = await visit.form()

        async def act(form: Form) -> web.Response:
            body = read(TokenBody, form)
            token, secret = await self.tokens.create(
                visit.actor,
                name=body.name,
                role=body.role,
                scopes=body.scopes,
                expires_at=body.expires_at,
            )
            return await visit.show("tokens/created.html", token=token, secret=secret)

        return await fill_in(
            visit,
            "tokens/new.html",
            act,
            choices=role_choices(),
            scopes=scope_options(form.getall("scopes", [])),
        )

    async def show(self, visit: Visit) -> web.Response:
        token = await self.tokens.get(visit.actor, visit.id("token_id"))
        return await visit.show("tokens/page.html", row=TokenRow(token))

    async def revoke(self, visit: Visit) -> web.Response:
        token = await self.tokens.get(visit.actor, visit.id("token_id"))

        async def act(form: Form) -> web.Response:
            if text_of(form, "typed") != token.name:
                raise FormError({"typed": f"Type {token.name} to confirm."})
            await self.tokens.revoke(visit.actor, token.id)
            return await visit.go(f"{ROOT}/tokens", notice=f"The token {token.name} is revoked.")

        return await fill_in(visit, "tokens/page.html", act, row=TokenRow(token))
