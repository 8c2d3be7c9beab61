"""The whole URL table: everything that this service answers is listed here."""

from aiohttp import web

from service.web.connections.doors import Doors
from service.web.headers import on_prepare
from service.web.metrics.metrics import Metrics
from service.web.middleware import errors_as_problems
from service.web.probes import Health
from service.web.webhook import Webhook


def build_application(
    *,
    doors: Doors,
    webhook: Webhook,
    health: Health,
    metrics: Metrics,
    api: web.Application,
    panel: web.Application,
) -> web.Application:
    """Put all parts under their addresses."""
    app = empty_application(doors)
    app.router.add_get("/", lead_to_panel)
    app.router.add_get("/healthz", health.alive)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", metrics.get)
    app.router.add_routes(webhook.routes())
    app.add_subapp("/api", api)
    app.add_subapp("/admin", panel)
    return app


async def lead_to_panel(_request: web.Request) -> web.Response:
    """The bare address: a person wants the panel."""
    raise web.HTTPFound("/admin")


def build_webhook_application(*, doors: Doors, webhook: Webhook, health: Health) -> web.Application:
    """Only what Vapi and a load balancer need, for when the rest has a listener of its own.

    `/healthz` stays: it touches nothing and tells nothing.
    """
    app = empty_application(doors)
    app.router.add_get("/healthz", health.alive)
    app.router.add_routes(webhook.routes())
    return app


def empty_application(doors: Doors) -> web.Application:
    """An application with what surrounds every request."""
    middlewares = [doors.middleware(), errors_as_problems]
    app = web.Application(middlewares=middlewares, client_max_size=2**20)
    app.on_response_prepare.append(on_prepare)
    return app
