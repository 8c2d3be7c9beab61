"""The stand-in for Vapi as a server on a port of its own, and its Python side for tests."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from aiohttp import web

from service.sandbox import payloads
from service.sandbox.account import World
from service.sandbox.call_routes import CallRoutes
from service.sandbox.calls import Delivery, SandboxCall, SandboxHangup
from service.sandbox.collection import Json
from service.sandbox.credentials import Credential
from service.sandbox.delivery import Courier
from service.sandbox.faults import Faults, SandboxFault
from service.sandbox.own_routes import OwnRoutes
from service.sandbox.resources import Resources, create_assistants, create_phone_numbers
from service.sandbox.switchboard import Switchboard
from service.sandbox.traffic import LoggedRequest, Traffic
from service.sandbox.traffic_split import TrafficSplits

ORG_ID = "5a3d0000-0000-4000-8000-0000000000a0"
CALLER = "+15550100199"


class SandboxVapi(World):
    """A stateful Vapi. `time_scale` is real seconds per simulated second (conversations, retries).

    `timeout_scale` is the same for the wait for an answer to a message. `appears_after`: for so many
    real seconds the API answers 404 for a new call. `seed` fills an empty
    sandbox at its start; with `state_path` everything but calls persists.
    """

    def __init__(
        self,
        *,
        api_key: str = "sandbox-private-key",
        public_key: str = "sandbox-public-key",
        org_id: str = ORG_ID,
        org_server: Json | None = None,
        allow_http: bool = True,
        time_scale: float = 1.0,
        timeout_scale: float = 1.0,
        state_path: Path | None = None,
        seed: Callable[[World], None] | None = None,
        appears_after: float = 0.0,
    ) -> None:
        super().__init__(org_id, state_path)
        self.api_key = api_key
        self.public_key = public_key
        self.seed = seed
        self.courier = Courier(time_scale, timeout_scale)
        self.switchboard = Switchboard(
            org_id,
            self.clock,
            self.numbers,
            self.assistants,
            self.squads,
            self.workflows,
            self.courier,
            time_scale,
            allow_http,
            org_server,
            appears_after,
        )
        self.traffic = Traffic(api_key)
        self.phone_number_api = create_phone_numbers(
            self.numbers, self.clock, org_id, allow_http=allow_http
        )
        self.assistant_api = create_assistants(
            self.assistants, self.clock, org_id, allow_http=allow_http
        )
        self.splits = TrafficSplits()
        self.runner: web.AppRunner | None = None
        self.site: web.TCPSite | None = None
        self.host, self.port = "127.0.0.1", 0

    @property
    def base_url(self) -> str:
        """Its address, also the origin of its control URLs. Valid once it is started."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def calls(self) -> dict[str, SandboxCall]:
        return self.switchboard.calls

    @property
    def hangups(self) -> list[SandboxHangup]:
        """Every accepted command to end a call, in order."""
        return self.switchboard.hangups

    @property
    def faults(self) -> Faults:
        return self.traffic.faults

    @property
    def credentials(self) -> dict[str, Credential]:
        """Credentials by the `credentialId` of a server."""
        return self.courier.credentials

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Load the saved state, or seed, then listen. Raises `OSError` if the port is taken."""
        if not self.load() and self.seed:
            self.seed(self)
        self.saving = self.state_file is not None
        self.save()
        await self.courier.open()
        self.host, self.port = host, port
        self.runner = web.AppRunner(self.create_app(), shutdown_timeout=0.5, access_log=None)
        try:
            await self.runner.setup()
            await self.up()
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Drop all calls and stop listening."""
        self.traffic.stopping.set()
        await self.switchboard.stop()
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = self.site = None
        await self.courier.close()

    async def up(self) -> None:
        """Listen, after a `down` on the same port."""
        if self.runner is None:
            raise RuntimeError("the sandbox is not started")
        if self.site is None:
            self.site = web.TCPSite(self.runner, self.host, self.port)
            await self.site.start()
            self.port = self.runner.addresses[0][1]
            self.switchboard.base_url = self.base_url

    async def down(self) -> None:
        """Become unreachable: refuse new connections and reset open ones."""
        if self.site is not None and self.runner is not None and self.runner.server is not None:
            await self.site.stop()
            self.site = None
            for connection in list(self.runner.server.connections):
                if connection.transport is not None:
                    connection.transport.abort()

    def create_app(self) -> web.Application:
        """The URL table."""
        app = web.Application(middlewares=[self.traffic.middleware()], client_max_size=2**24)
        squads = Resources("Squad", self.squads, self.clock, self.org_id)
        workflows = Resources("Workflow", self.workflows, self.clock, self.org_id)
        tools = Resources("Tool", self.tools, self.clock, self.org_id)
        campaigns = Resources("Campaign", self.campaigns, self.clock, self.org_id)
        for path, kind in (
            ("/phone-number", self.phone_number_api),
            ("/assistant", self.assistant_api),
            ("/squad", squads),
            ("/workflow", workflows),
            ("/tool", tools),
            ("/campaign", campaigns),
        ):
            app.router.add_get(path, kind.list_bare)
            app.router.add_post(path, kind.post)
            app.router.add_get(path + "/{id}", kind.get_one)
            app.router.add_patch(path + "/{id}", kind.patch)
            app.router.add_delete(path + "/{id}", kind.delete)
        app.router.add_get("/traffic-allocations/latest", self.splits.latest)
        app.router.add_get("/v2/phone-number", self.phone_number_api.list_page)
        calls = CallRoutes(self.switchboard, self.public_key)
        app.router.add_get("/call", calls.list_all)
        app.router.add_get("/call/{id}", calls.get_one)
        app.router.add_patch("/call/{id}", calls.patch)
        app.router.add_delete("/call/{id}", calls.delete)
        app.router.add_post("/{id}/control", calls.control)
        OwnRoutes(self.switchboard, self.traffic, self.place_call, self.live_call).register(app)
        return app

    def place_call(
        self,
        phone_number_id: str | None = None,
        *,
        caller: str | None = CALLER,
        type: str = "inboundPhoneCall",  # noqa: A002 - Vapi's word
        assistant_id: str | None = None,
        duration: float = 30.0,
    ) -> SandboxCall:
        """Start a call that runs in the background. The caller leaves after `duration` simulated
        seconds. Await `call.ended()` or `call.settled()`.

        Raises `KeyError` for a number or assistant that does not exist.
        """
        call = self.switchboard.open_call(
            phone_number_id, caller=caller, type=type, assistant_id=assistant_id
        )
        self.switchboard.start(call, duration=duration)
        return call

    def live_call(
        self,
        phone_number_id: str | None,
        *,
        caller: str | None = CALLER,
        type: str = "inboundPhoneCall",  # noqa: A002 - Vapi's word
        assistant_id: str | None = None,
        kind: str = "status-update",
        reports_end: bool = False,
    ) -> Json:
        """Start a silent call and return its first message, which the caller of this method posts.

        `kind` is `status-update` (in-progress, with a control URL that works) or
        `assistant-request` (the call still rings). With `reports_end` the messages of its end are
        sent. Raises `KeyError`.
        """
        call = self.switchboard.open_call(
            phone_number_id, caller=caller, type=type, assistant_id=assistant_id
        )
        number = self.numbers.find(phone_number_id)
        if kind == "assistant-request" and number:
            return payloads.build_assistant_request(call, number, self.clock.stamp(call.created_ms))
        if number and call.assistant is None:
            self.switchboard.attach(call, number)
        call.connect()
        if reports_end:
            self.switchboard.report_when_ended(call)
        return payloads.build_status_update(
            call, number, self.clock.stamp(call.created_ms), "in-progress"
        )

    async def emit(self, call_id: str, kind: str, **extra: Any) -> Delivery | None:
        """Send a message of a call to its server. Raises `KeyError`."""
        call = self.calls[call_id]
        number = self.switchboard.number_of(call)
        body = payloads.build_message(
            kind, call, number, self.clock.stamp(call.created_ms), **extra
        )
        return await self.switchboard.emit(call, body)

    def hang_up(self, call_id: str) -> None:
        """The caller leaves. Raises `KeyError`."""
        self.switchboard.hang_up(self.calls[call_id])

    def fail(self, pattern: str, **fault: Any) -> SandboxFault:
        """Apply a fault to every matching request, until `faults.clear()`; see `SandboxFault`."""
        return self.faults.add(SandboxFault(pattern, **fault))

    def fail_next(self, pattern: str, times: int = 1, **fault: Any) -> SandboxFault:
        """Apply a fault to the next `times` matching requests; see `SandboxFault`."""
        return self.fail(pattern, times=times, **fault)

    def requests(self, pattern: str = "*") -> list[LoggedRequest]:
        """The logged requests that match `METHOD /path` with `*`, oldest first."""
        return [request for request in self.traffic.requests if request.matches(pattern)]

    async def settled(self, calls: Iterable[SandboxCall], timeout: float = 10.0) -> None:
        """Wait until these calls have ended and their messages are delivered."""
        await asyncio.gather(*(call.settled(timeout) for call in calls))
