"""The panel as one aiohttp application, to be mounted at /admin."""

from collections.abc import Callable, Iterable, Sequence

from aiohttp import web

from service.domain.conditions import Condition
from service.web.panel.kit.banners import banners_from
from service.web.panel.kit.guard import SessionReader, guarded
from service.web.panel.kit.pages import PageGroup, PanelPage
from service.web.panel.kit.rendering import set_up_rendering
from service.web.panel.kit.static import Assets, read_assets
from service.web.panel.kit.visit import ROOT, Visit


async def not_found(visit: Visit) -> web.Response:
    """All other addresses. A trailing slash redirects to the overview."""
    if visit.request.path == f"{ROOT}/":
        return await visit.go(ROOT)
    raise web.HTTPNotFound


def build_application(
    families: Iterable[PageGroup],
    sessions: SessionReader,
    conditions: Callable[[], Sequence[Condition]],
) -> web.Application:
    """Mount all pages. Fixed addresses take precedence over those with an id."""
    app = web.Application()
    assets = Assets(read_assets(ROOT))
    set_up_rendering(app, assets, ROOT, banners_from(conditions))
    app.router.add_get("/static/{digest}/{name}", assets.get)
    pages = [page for family in families for page in family.pages()]
    for page in sorted(pages, key=lambda page: "{" in page.path):
        handler = guarded(page, sessions)
        app.router.add_route(page.method, page.path, handler)
        if page.method == "GET":
            app.router.add_route("HEAD", page.path, handler)
    for method in ("GET", "HEAD", "POST"):
        missing = PanelPage(method, "/{rest:.*}", not_found)
        app.router.add_route(method, missing.path, guarded(missing, sessions))
    return app
