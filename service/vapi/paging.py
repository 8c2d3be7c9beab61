"""Pages through a bare list, which has no page parameter, by the oldest time seen. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from service.vapi import errors
from service.vapi.resources import text

MAX_PAGE = 1000

Item = Mapping[str, Any]


class Walk:
    """Request `query`, pass the page to `take`, and repeat until `query` is None.

    Lists are newest first. Each page begins at the time at which the last one ended, because several
    objects may share it; objects seen before are left out. An object that a walk does not return may
    still exist. The walk ends at `since`.
    """

    def __init__(self, limit: int = MAX_PAGE, since: datetime | None = None) -> None:
        self.limit = limit
        self.bound = f"&createdAtGe={quote(since.isoformat())}" if since else ""
        self.query: str | None = f"limit={limit}{self.bound}"
        self.until: datetime | None = None
        self.border: set[str] = set()

    def take(self, page: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The new objects of a page. Raises `VapiUnavailableError` if it is not the requested page."""
        made = [created_at(item) for item in page]
        if self.until is not None and any(at is not None and at > self.until for at in made):
            # Going on would return the same page forever.
            raise errors.VapiUnavailableError("Vapi did not return the requested page.")
        fresh = self.without_seen(page)
        self.query = self.following(page, made) if len(page) >= self.limit else None
        return fresh

    def without_seen(self, page: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The objects of a page, each once, without those of the last page's oldest instant."""
        seen, fresh = set(self.border), []
        for item in page:
            if (item_id := text(item.get("id"))) and item_id not in seen:
                seen.add(item_id)
                fresh.append(item)
        return fresh

    def following(self, page: list[dict[str, Any]], made: list[datetime | None]) -> str:
        """The query after a full page."""
        known = [at for at in made if at is not None]
        if not known:
            raise errors.VapiUnavailableError("Vapi's list does not say when things were created.")
        oldest = min(known)
        at_oldest = [item for item, at in zip(page, made, strict=True) if at == oldest]
        # A whole page at one time would come again: the other objects of that time are skipped.
        comparison = "Lt" if oldest == self.until else "Le"
        self.until = oldest
        self.border = {str(item.get("id")) for item in at_oldest}
        until = f"createdAt{comparison}={quote(at_oldest[0]['createdAt'])}"
        return f"limit={self.limit}&{until}{self.bound}"


def created_at(item: Item) -> datetime | None:
    """When an object was created; None if that is missing or unreadable."""
    try:
        at = datetime.fromisoformat(text(item.get("createdAt")) or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
