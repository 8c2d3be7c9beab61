"""Pages through Vapi's lists, counted by what came: a page may hold less than was asked for. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from service.vapi import errors
from service.vapi.elements import Elements
from service.vapi.pages import PhoneNumberPage
from service.vapi.resources import PhoneNumberView, instant

MAX_PAGE = 1000
LEAST_PAGE = 10
SURE_PAGE = 100
"""A shorter page is not cut: Vapi sends so many where no limit is named (Vapi's documentation)."""
LEAST_CUT = 2
"""Vapi is taken to send so many where more exist: else a list of one would take three requests."""
MOST_PAGES = 10_000

Item = Mapping[str, Any]


class Walk:
    """A bare list: request `query`, pass the page to `take`, and repeat until `query` is None.

    Lists are newest first and have no page parameter. Each page begins at the time at which the last
    one ended, because several objects may share it; objects seen before are left out. The walk ends
    at `since`, at an empty page, or at a page with nothing new. An object that it does not return may
    still exist.
    """

    def __init__(self, limit: int = MAX_PAGE, since: datetime | None = None) -> None:
        self.limit = limit
        self.bound = f"&createdAtGe={quote(since.isoformat())}" if since else ""
        self.until: datetime | None = None
        self.until_text = ""
        self.comparison = "Le"
        self.border: set[str] = set()
        self.largest, self.pages = LEAST_CUT, 0
        self.more = True

    @property
    def query(self) -> str | None:
        """The next page's query; None at the end."""
        if not self.more:
            return None
        until = f"&createdAt{self.comparison}={quote(self.until_text)}" if self.until else ""
        return f"limit={self.limit}{until}{self.bound}"

    def shrink(self) -> bool:
        """Ask for smaller pages from now on, because one was too large; False if that is no use."""
        self.limit //= 4
        return self.limit >= LEAST_PAGE

    def take(self, page: Elements) -> list[dict[str, Any]]:
        """The new objects of a page. Raises `VapiUnavailableError` if it is not the requested page, or
        if the list cannot be walked to its end."""
        known = [at for item in page.objects if (at := created_at(item)) is not None]
        self.check(known)
        fresh = self.without_seen(page.objects)
        self.pages += 1
        self.largest = max(self.largest, page.came)
        self.more = self.follows(page, known, fresh)
        return fresh

    def check(self, known: list[datetime]) -> None:
        """Raise if a page is not the requested one: going on would return it forever."""
        until, strict = self.until, self.comparison == "Lt"
        if until and any(at > until or (strict and at == until) for at in known):
            raise errors.VapiUnavailableError("Vapi did not return the requested page.")
        if self.pages >= MOST_PAGES:
            raise errors.VapiUnavailableError("Vapi's list does not end.")

    def without_seen(self, page: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The objects of a page, each once, without those of the last page's oldest instant."""
        seen, fresh = set(self.border), []
        for item in page:
            if item["id"] not in seen:
                seen.add(item["id"])
                fresh.append(item)
        return fresh

    def follows(self, page: Elements, known: list[datetime], fresh: list[dict[str, Any]]) -> bool:
        """Whether another page has to be asked for; moves `until` to where it begins."""
        if page.came == 0:
            return False
        if not known:
            if page.came >= SURE_PAGE or not fresh:
                raise errors.VapiUnavailableError(
                    "Vapi's list does not say when things were created."
                )
            return False
        if not fresh and (self.comparison == "Lt" or page.came < self.largest):
            return False
        oldest = min(known)
        # A whole page at one time would come again: the other objects of that time are skipped.
        self.comparison = "Lt" if oldest == self.until else "Le"
        at_oldest = [item for item in page.objects if created_at(item) == oldest]
        self.until, self.until_text = oldest, str(at_oldest[0]["createdAt"])
        self.border = {item["id"] for item in at_oldest}
        return True


class PageWalk:
    """A numbered list of phone numbers: request `page` with `limit`, pass it to `take`, and repeat until
    `page` is None. Then `gap` says why the list is incomplete; None: it is complete."""

    def __init__(self, limit: int = MAX_PAGE) -> None:
        self.page: int | None = 1
        self.limit = limit
        self.came = 0
        self.malformed = 0
        self.total: int | None = None
        self.gap: str | None = None
        self.seen: set[str] = set()

    def take(self, found: PhoneNumberPage) -> tuple[PhoneNumberView, ...]:
        """The numbers of a page that no earlier page showed."""
        fresh = tuple(view for view in found.numbers if view.id and view.id not in self.seen)
        self.seen.update(view.id for view in fresh if view.id)
        count = len(found.numbers) + found.malformed
        self.came += count
        self.malformed += found.malformed
        self.total = found.total if found.total is not None else self.total
        self.page = self.following(count, found, repeated=count > 0 and not fresh)
        return fresh

    def following(self, count: int, found: PhoneNumberPage, *, repeated: bool) -> int | None:
        """The next page, None at the end; notes a gap where the end contradicts the metadata."""
        assert self.page is not None, "no page follows the last one"
        if repeated:
            known = len(self.seen) + self.malformed
            if found.has_next or (self.total is not None and self.total > known):
                self.gap = "Vapi did not return the requested page of phone numbers."
            return None
        more = found.has_next is not False and count > 0
        if self.came == self.total:
            more = more and found.has_next is True
        elif not more and (self.came < (self.total or 0) or found.has_next):
            announced = self.total if self.total is not None else "more"
            self.gap = f"Vapi announced {announced} phone numbers and listed {self.came}."
        if self.page >= MOST_PAGES and more:
            self.gap = "Vapi's list of phone numbers does not end."
            return None
        if self.page == 1 and more and count < self.limit:
            # Cut to what Vapi allows: a page after it begins at a multiple of what came.
            self.limit = count
        return self.page + 1 if more else None


def created_at(item: Item) -> datetime | None:
    """When an object was created; None if that is missing or unreadable."""
    return instant(item.get("createdAt"))
