"""`/_sandbox/…`, for use with curl: start calls, hang up, inspect them, add faults."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from aiohttp import web

from service.sandbox.calls import SandboxCall
from service.sandbox.collection import Json
from service.sandbox.errors import VapiProblem, not_found
from service.sandbox.faults import parse_fault
from service.sandbox.resources import json_response, read_object
from service.sandbox.switchboard import Switchboard
from service.sandbox.traffic import OWN_PREFIX, Traffic

CALL_FIELDS = {
    "phoneNumberId": ("phone_number_id", str),
    "caller": ("caller", str),
    "type": ("type", str),
    "assistantId": ("assistant_id", str),
    "duration": ("duration", float),
    "kind": ("kind", str),
}
TYPES = ("inboundPhoneCall", "outboundPhoneCall", "webCall", "vapi.websocketCall")


def describe(call: SandboxCall) -> Json:
    """A call's resource, with the facts that only the sandbox has."""
    return call.resource() | {
        "heard": call.heard,
        "secondsConnected": round(call.seconds_connected, 3),
        "deliveries": [
            {key: value for key, value in asdict(delivery).items() if key != "answer"}
            | {"answer": delivery.answer.decode(errors="replace")[:2000]}
            for delivery in call.deliveries
        ],
    }


def parse_call(body: Json, *known: str) -> dict[str, Any]:
    """Arguments of a call from JSON. Raises `VapiProblem` (400)."""
    given: dict[str, Any] = {}
    for name, value in body.items():
        if name not in known:
            raise VapiProblem(400, [f"property {name} should not exist"])
        argument, kind = CALL_FIELDS[name]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)  # noqa: PLW2901 - JSON has one kind of number
        if not isinstance(value, kind):
            raise VapiProblem(400, [f"{name} must be a {kind.__name__}"])
        given[argument] = value
    if given.get("type", TYPES[0]) not in TYPES:
        raise VapiProblem(400, [f"type must be one of the following values: {', '.join(TYPES)}"])
    return given


@dataclass
class OwnRoutes:
    """The sandbox's own API. It has no key: the sandbox listens on this machine only."""

    switchboard: Switchboard
    traffic: Traffic
    place_call: Callable[..., SandboxCall]
    live_call: Callable[..., Json]

    def register(self, app: web.Application) -> None:
        add = app.router.add_route
        add("GET", OWN_PREFIX, self.overview)
        add("POST", f"{OWN_PREFIX}/calls", self.post_call)
        add("POST", f"{OWN_PREFIX}/live-calls", self.post_live_call)
        add("GET", f"{OWN_PREFIX}/calls/{{id}}", self.get_call)
        add("POST", f"{OWN_PREFIX}/calls/{{id}}/hangup", self.post_hangup)
        add("GET", f"{OWN_PREFIX}/faults", self.get_faults)
        add("POST", f"{OWN_PREFIX}/faults", self.post_fault)
        add("DELETE", f"{OWN_PREFIX}/faults", self.delete_faults)
        add("GET", f"{OWN_PREFIX}/requests", self.get_requests)

    async def overview(self, _request: web.Request) -> web.Response:
        calls = [call for call in self.switchboard.calls.values() if call.held is None]
        body = {
            "orgId": self.switchboard.org_id,
            "phoneNumbers": len(self.switchboard.numbers),
            "assistants": len(self.switchboard.assistants),
            "squads": len(self.switchboard.squads),
            "workflows": len(self.switchboard.workflows),
            "calls": len(calls),
            "liveCalls": [call.id for call in calls if call.live][:100],
            "hangups": len(self.switchboard.hangups),
            "faults": len(self.traffic.faults.rules),
        }
        return json_response(orjson.dumps(body))

    async def post_call(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        given = parse_call(body, "phoneNumberId", "caller", "type", "assistantId", "duration")
        try:
            call = self.place_call(**given)
        except KeyError as exc:
            raise VapiProblem(400, [f"{exc.args[0]} does not exist"]) from exc
        return json_response(orjson.dumps(describe(call)), 201)

    async def post_live_call(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        given = parse_call(body, "phoneNumberId", "caller", "type", "assistantId", "kind")
        try:
            message = self.live_call(**({"phone_number_id": None} | given))
        except KeyError as exc:
            raise VapiProblem(400, [f"{exc.args[0]} does not exist"]) from exc
        return json_response(orjson.dumps(message), 201)

    def call_of(self, request: web.Request) -> SandboxCall:
        call = self.switchboard.calls.get(request.match_info["id"])
        if call is None:
            raise not_found("Call")
        return call

    async def get_call(self, request: web.Request) -> web.Response:
        return json_response(orjson.dumps(describe(self.call_of(request))))

    async def post_hangup(self, request: web.Request) -> web.Response:
        call = self.call_of(request)
        self.switchboard.hang_up(call)
        return json_response(orjson.dumps(describe(call)))

    async def get_faults(self, _request: web.Request) -> web.Response:
        return json_response(orjson.dumps(self.traffic.faults.describe()))

    async def post_fault(self, request: web.Request) -> web.Response:
        """Add a fault: the fields of `SandboxFault`, such as `{"pattern": "GET /assistant",
        "times": 1, "answer": []}` for one list that is wrongly empty."""
        try:
            self.traffic.faults.add(parse_fault(await read_object(request)))
        except ValueError as exc:
            raise VapiProblem(400, [str(exc)]) from exc
        return json_response(orjson.dumps(self.traffic.faults.describe()), 201)

    async def delete_faults(self, _request: web.Request) -> web.Response:
        self.traffic.faults.clear()
        return json_response(b"[]")

    async def get_requests(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", "100")
        count = min(int(limit), 10_000) if limit.isdecimal() else 100
        recent = list(self.traffic.requests)[-count:] if count else []
        return json_response(orjson.dumps([asdict(item) for item in recent]))
