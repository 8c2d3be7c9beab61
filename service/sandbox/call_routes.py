"""HTTP handlers of calls: reading, renaming, erasing, and their control URLs."""

import time
from dataclasses import dataclass
from hmac import compare_digest

import orjson
from aiohttp import web

from service.sandbox import control_commands, listing
from service.sandbox.calls import SandboxCall
from service.sandbox.clock import to_iso
from service.sandbox.collection import Json
from service.sandbox.errors import VapiProblem, not_found, unauthorized
from service.sandbox.resources import MOST, json_response, read_object
from service.sandbox.switchboard import Switchboard

LIE = web.RequestKey("lie", bool)
FILTERS = ("id", "assistantId", "phoneNumberId")


@dataclass
class CallRoutes:
    """Vapi's view on the switchboard's calls."""

    switchboard: Switchboard
    public_key: str

    def get(self, call_id: str) -> SandboxCall:
        """A call that has appeared and whose data are not erased. Raises `VapiProblem` (404)."""
        call = self.switchboard.find(call_id)
        if call is None or call.erased or time.monotonic() < call.visible_at:
            raise not_found("Call")
        return call

    async def get_one(self, request: web.Request) -> web.Response:
        return json_response(orjson.dumps(self.get(request.match_info["id"]).resource()))

    async def list_all(self, request: web.Request) -> web.Response:
        query = listing.parse_query(request.query, equal=FILTERS).cut(request.get(MOST))
        found: list[Json] = []
        for call in reversed(self.switchboard.calls.values()):
            if len(found) >= query.limit:
                break
            if (
                call.erased
                or call.held is not None
                or time.monotonic() < call.visible_at
                or not query.fits(call.created_ms, call.updated_ms)
            ):
                continue
            resource = call.resource()
            if all(resource.get(name) == value for name, value in query.equal.items()):
                found.append(resource)
        return json_response(orjson.dumps(found))

    async def patch(self, request: web.Request) -> web.Response:
        """Rename the call; Vapi's PATCH does nothing else."""
        call, body = self.get(request.match_info["id"]), await read_object(request)
        found = [f"property {name} should not exist" for name in body if name != "name"]
        name = body.get("name")
        if name is not None and (not isinstance(name, str) or len(name) > 40):
            found.append("name must be shorter than or equal to 40 characters")
        if found:
            raise VapiProblem(400, found)
        call.name, call.updated_ms = name, self.switchboard.clock.tick()
        return json_response(orjson.dumps(call.resource()))

    async def delete(self, request: web.Request) -> web.Response:
        """Erase the call's data; the call itself goes on."""
        call = self.get(request.match_info["id"])
        call.erased = True
        erased = {"id": call.id, "orgId": call.org_id, "createdAt": to_iso(call.created_ms)}
        return json_response(orjson.dumps(erased | {"updatedAt": to_iso(call.updated_ms)}))

    async def control(self, request: web.Request) -> web.Response:
        """The control URL, a capability."""
        call_id = request.match_info["id"]
        call = self.switchboard.find(call_id)
        if call and call.monitor_plan.get("controlAuthenticationEnabled"):
            given = request.headers.get("Authorization", "").encode()
            if not compare_digest(given, f"Bearer {self.public_key}".encode()):
                raise unauthorized()
        order = await read_object(request)
        control_commands.execute(self.switchboard, call_id, order, lie=LIE in request)
        return json_response(b'{"success":true}')
