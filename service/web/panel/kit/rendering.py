"""Jinja2 for the panel: strict about names, safe by default, with the few filters that pages need."""

from collections.abc import Callable
from datetime import UTC, datetime

import aiohttp_jinja2
import jinja2
import orjson
from aiohttp import web

from service.domain.wording.labels import format_seconds, label_slug, tone_of
from service.web.panel.kit.banners import Banners
from service.web.panel.kit.static import Assets


def iso(instant: datetime) -> str:
    """For machines: RFC 3339 in UTC."""
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def utc(instant: datetime) -> str:
    """For people without our script: to the minute, in UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def utc_field(instant: datetime | None) -> str:
    """For a browser's field for instants, in UTC."""
    return "" if instant is None else f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M}"


def pretty(value: object) -> str:
    """A value of a field as people read it: texts as they are, the rest as JSON."""
    if value is None:
        return "—"
    if isinstance(value, str):
        return value
    return orjson.dumps(
        value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    ).decode()


def count(value: float) -> str:
    """A number with its thousands set apart by thin spaces."""
    return f"{value:,.0f}".replace(",", "\u202f")


def set_up_rendering(
    app: web.Application, assets: Assets, root: str, banners: Callable[[], Banners]
) -> None:
    """Give `app` its templates."""
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.PackageLoader("service.web.panel", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(asset=assets.address, root=root, banners=banners)
    environment.filters.update(
        iso=iso,
        utc=utc,
        utc_field=utc_field,
        pretty=pretty,
        count=count,
        words=label_slug,
        tone=tone_of,
        seconds=format_seconds,
    )
