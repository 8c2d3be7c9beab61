"""The whole URL table: everything that this service answers is listed here."""

from aiohttp import web

from service.web.health import Health
from service.web.metrics import Metrics
from service.web.middleware import errors_as_problems, security_headers
from service.web.webhook import Webhook


async def panel(_request: web.Request) -> web.Response:
    """GET /admin: the browsable API, until the panel stands here."""
    raise web.HTTPFound("/api/docs")


def build_web(
    *, webhook: Webhook, health: Health, metrics: Metrics, api: web.Application | None = None
) -> web.Application:
    """Put the parts under their addresses."""
    app = web.Application(
        middlewares=[security_headers, errors_as_problems],
        client_max_size=2**20,
    )
    app.router.add_get("/healthz", health.alive)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", metrics.get)
    app.router.add_get("/admin", panel)
    app.router.add_routes(webhook.routes())
    if api is not None:
        app.add_subapp("/api", api)
    return app
