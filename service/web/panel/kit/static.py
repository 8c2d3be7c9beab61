"""The panel's static files: read and compressed once, and cached by browsers under their hash.

Vendored, so that there is no build step: htmx 2.0.11 (0BSD) and Pico CSS 2.1.1 (MIT).
"""

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web

FOLDER = files("service.web.panel") / "static"
TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file. `address` changes with its content."""

    name: str
    body: bytes
    packed: bytes
    kind: str
    address: str


def read_assets(root: str) -> dict[str, Asset]:
    """Read the files of the folder, by name; `root` is where the panel is mounted."""
    found = {}
    for file in FOLDER.iterdir():
        kind = TYPES.get(file.name.rpartition(".")[2])
        if kind is None:
            continue
        body = file.read_bytes()
        digest = hashlib.sha256(body).hexdigest()[:12]
        packed = gzip.compress(body, 9, mtime=0)
        found[file.name] = Asset(
            file.name, body, packed, kind, f"{root}/static/{digest}/{file.name}"
        )
    return found


@dataclass(frozen=True, slots=True)
class Assets:
    """The files, by name for templates and by address for browsers."""

    by_name: dict[str, Asset]

    def address(self, name: str) -> str:
        """The address of a file. Raises `KeyError`."""
        return self.by_name[name].address

    async def get(self, request: web.Request) -> web.Response:
        """GET /admin/static/{digest}/{name}; an outdated digest finds the current file."""
        asset = self.by_name.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
        if f"/{request.match_info['digest']}/" not in asset.address:
            headers["Cache-Control"] = "no-cache"
        if "gzip" not in request.headers.get("Accept-Encoding", ""):
            return web.Response(
                body=asset.body, content_type=asset.kind, charset="utf-8", headers=headers
            )
        headers["Content-Encoding"] = "gzip"
        return web.Response(
            body=asset.packed, content_type=asset.kind, charset="utf-8", headers=headers
        )
