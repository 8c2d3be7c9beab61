"""HTTP handlers of resources: phone numbers, assistants, squads, workflows, tools, campaigns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

import orjson
from aiohttp import web

from service.sandbox import dtos, listing
from service.sandbox.clock import Clock, to_iso
from service.sandbox.collection import Json, Shelf
from service.sandbox.errors import VapiProblem, not_found
from service.sandbox.rules import Rule

STALE = web.RequestKey("stale", bool)
MOST = web.RequestKey("most", int)


async def read_object(request: web.Request) -> Json:
    """The request's body. Raises `VapiProblem` (400) if it is not a JSON object."""
    try:
        body = orjson.loads(await request.read())
    except ValueError as exc:
        raise VapiProblem(400, f"Bad JSON: {exc}") from exc
    if not isinstance(body, dict):
        raise VapiProblem(400, ["body must be an object"])
    return body


def json_response(body: bytes, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


def check(rule: Rule, body: Json) -> None:
    """Raise `VapiProblem` (400) with all violations of the rule."""
    if found := list(rule("", body)):
        raise VapiProblem(400, found)


@dataclass
class Resources:
    """One kind of resource over HTTP. `title` is its name in Vapi's 404."""

    title: str
    shelf: Shelf
    clock: Clock
    org_id: str
    create_rule: Rule | None = None
    update_rule: Rule | None = None
    defaults: Mapping[str, object] = field(default_factory=dict)

    def create(self, body: Json) -> Json:
        """Add an object as the API would. Raises `VapiProblem`."""
        if self.create_rule is not None:
            check(self.create_rule, body)
        now = to_iso(self.clock.tick())
        given = {key: value for key, value in body.items() if value is not None}
        made = {"id": str(uuid4()), "orgId": self.org_id, "createdAt": now, "updatedAt": now}
        return self.shelf.put({**self.defaults, **given, **made})

    def update(self, key: str, body: Json) -> Json:
        """Change an object as PATCH does: each sent field is replaced whole, null clears it.

        Raises `VapiProblem` with 404 or 400 and then changes nothing.
        """
        old = self.shelf.find(key)
        if old is None:
            raise not_found(self.title)
        if self.update_rule is not None:
            check(self.update_rule, body)
        if "provider" in old and body.get("provider") != old["provider"]:
            raise VapiProblem(400, [f"provider must be {old['provider']}"])
        merged = {key: value for key, value in (old | body).items() if value is not None}
        return self.shelf.put(merged | {"updatedAt": to_iso(self.clock.tick())})

    async def list_bare(self, request: web.Request) -> web.Response:
        query = listing.parse_query(request.query).cut(request.get(MOST))
        return json_response(listing.list_bare(self.shelf, query, stale=STALE in request))

    async def list_page(self, request: web.Request) -> web.Response:
        query = listing.parse_query(request.query, paged=True).cut(request.get(MOST))
        return json_response(listing.list_page(self.shelf, query, stale=STALE in request))

    async def get_one(self, request: web.Request) -> web.Response:
        record = self.shelf.records.get(request.match_info["id"])
        if record is None:
            raise not_found(self.title)
        return json_response(record.read(stale=STALE in request))

    async def post(self, request: web.Request) -> web.Response:
        made = self.create(await read_object(request))
        return json_response(self.shelf.records[made["id"]].body, 201)

    async def patch(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        self.update(key, await read_object(request))
        return json_response(self.shelf.records[key].body)

    async def delete(self, request: web.Request) -> web.Response:
        try:
            removed = self.shelf.remove(request.match_info["id"])
        except KeyError as exc:
            raise not_found(self.title) from exc
        return json_response(orjson.dumps(removed))


def create_phone_numbers(shelf: Shelf, clock: Clock, org_id: str, *, allow_http: bool) -> Resources:
    return Resources(
        "Phone Number",
        shelf,
        clock,
        org_id,
        dtos.phone_number_create(allow_http=allow_http),
        dtos.phone_number_update(allow_http=allow_http),
        {"status": "active"},
    )


def create_assistants(shelf: Shelf, clock: Clock, org_id: str, *, allow_http: bool) -> Resources:
    rule = dtos.assistant(allow_http=allow_http)
    return Resources("Assistant", shelf, clock, org_id, rule, rule)
