"""A page of the panel: its address, its least role, its handler. Pages are data, so that a test can
visit all of them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from service.store.people.tokens import Role
from service.web.panel.kit.visit import Visit

Run = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class PanelPage:
    """`path` is below /admin. `needs` is the least role; None: the page needs no session.

    `max_bytes` limits the size of a form. `is_long`: waits for PostgreSQL end with the limits of each
    statement, for others after `REQUEST_SECONDS`.
    """

    method: str
    path: str
    run: Run
    needs: Role | None = "viewer"
    max_bytes: int = 2**20
    is_long: bool = False


class PageGroup(Protocol):
    """The pages of a noun."""

    def pages(self) -> Sequence[PanelPage]: ...
