"""The whole URL table: everything that this service answers is listed here."""

from aiohttp import web

from service.web.metrics.metrics import Metrics
from service.web.middleware import errors_as_problems, security_headers
from service.web.probes import Health
from service.web.webhook import Webhook


def build_application(
    *,
    webhook: Webhook,
    health: Health,
    metrics: Metrics,
    api: web.Application | None = None,
    panel: web.Application | None = None,
) -> web.Application:
    """Put the parts under their addresses."""
    app = web.Application(
        middlewares=[security_headers, errors_as_problems],
        client_max_size=2**20,
    )
    app.router.add_get("/healthz", health.alive)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", metrics.get)
    app.router.add_routes(webhook.routes())
    if api is not None:
        app.add_subapp("/api", api)
    if panel is not None:
        app.add_subapp("/admin", panel)
    return app
