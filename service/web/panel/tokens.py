"""API tokens: the list, a new one, whose secret is shown once, and revoking."""

from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from service.admin.people.tokens import Tokens
from service.domain.ids import find_uuid
from service.domain.people import SCOPES
from service.store.people.tokens import ApiToken
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, FormError, read, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.panel.people.pages import role_choices
from service.web.shapes.tokens import TokenBody

PAGE_SIZE = 50


def state_of(token: ApiToken) -> str:
    """What a token is good for now."""
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= datetime.now(UTC):
        return "expired"
    return "active"


@dataclass(frozen=True, slots=True)
class TokenPages:
    """Reads requests, calls the use cases, renders."""

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
        shown = [(token, state_of(token)) for token in found[:PAGE_SIZE]]
        more = visit.here(after=shown[-1][0].id) if len(found) > PAGE_SIZE else None
        return await visit.show("tokens/list.html", tokens=shown, more=more)

    async def new(self, visit: Visit) -> web.Response:
        values = {"role": "viewer"}
        return await visit.show(
            "tokens/new.html",
            values=values,
            faults={},
            choices=role_choices(),
            scopes=SCOPES,
            chosen=(),
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
            scopes=SCOPES,
            chosen=form.getall("scopes", []),
        )

    async def show(self, visit: Visit) -> web.Response:
        token = await self.tokens.get(visit.actor, visit.id("token_id"))
        return await visit.show("tokens/page.html", token=token, state=state_of(token), faults={})

    async def revoke(self, visit: Visit) -> web.Response:
        token = await self.tokens.get(visit.actor, visit.id("token_id"))

        async def act(form: Form) -> web.Response:
            if text_of(form, "typed") != token.name:
                raise FormError({"typed": f"Type {token.name} to confirm."})
            await self.tokens.revoke(visit.actor, token.id)
            return await visit.go(f"{ROOT}/tokens", notice=f"The token {token.name} is revoked.")

        return await fill_in(visit, "tokens/page.html", act, token=token, state=state_of(token))
