"""Jinja2 for the panel: strict about names, escaping by default, with a few filters that format values.

Templates only loop, include and print; view objects make all decisions.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from types import CodeType

import aiohttp_jinja2
import jinja2
import orjson
from aiohttp import web
from jinja2.bccache import Bucket

from service.domain.wording.labels import format_seconds, label_slug
from service.web.panel.kit.banners import Banners
from service.web.panel.kit.charts import counted
from service.web.panel.kit.fields import form_field, utc_field
from service.web.panel.kit.static import Assets
from service.web.panel.kit.versions import exact, object_version


def iso(instant: datetime) -> str:
    """For machines: RFC 3339 in UTC."""
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def utc(instant: datetime) -> str:
    """For browsers without our script: to the minute, in UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def pretty(value: object) -> str:
    """The value of a field for people: texts unchanged, other values as JSON."""
    if value is None:
        return "—"
    if isinstance(value, str):
        return value
    return orjson.dumps(
        value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    ).decode()


class CompiledTemplates(jinja2.BytecodeCache):
    """The compiled templates of this process: compiling one takes 10 ms, and panels share them."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self.kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self.kept[bucket.key, bucket.checksum] = bucket.code


COMPILED = CompiledTemplates()


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
        bytecode_cache=COMPILED,
    )
    environment.globals.update(
        asset=assets.address,
        root=root,
        banners=banners,
        form_field=form_field,
    )
    environment.filters.update(
        iso=iso,
        utc=utc,
        utc_field=utc_field,
        pretty=pretty,
        version=object_version,
        exact=exact,
        count=counted,
        label=label_slug,
        seconds=format_seconds,
    )
