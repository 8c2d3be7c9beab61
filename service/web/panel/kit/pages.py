"""One page of the panel: its address, who may see it, and what makes it. Pages are plain data, so that
a test can go through all of them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from service.store.people.tokens import Role
from service.web.panel.kit.visit import Visit

Run = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class PanelPage:
    """`path` is below /admin. `needs` is the least role; None: nobody has to be signed in.

    `max_bytes` is how large a form may be.
    """

    method: str
    path: str
    run: Run
    needs: Role | None = "viewer"
    max_bytes: int = 2**20


class PageGroup(Protocol):
    """Pages that belong together."""

    def pages(self) -> Sequence[PanelPage]: ...
