"""Pages of Vapi's lists as they came. Pure; `paging` says which page follows."""

from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from service.vapi.elements import read_page
from service.vapi.resources import PhoneNumberView

MOST_ITEMS = 10**9

View = TypeVar("View")


@dataclass(frozen=True, slots=True)
class BarePage(Generic[View]):
    """The new objects of a page of a bare list, and how many elements could not be read."""

    views: tuple[View, ...]
    malformed: int = 0


@dataclass(frozen=True, slots=True)
class PhoneNumberPage:
    """One page of phone numbers as it came, and what its metadata say of the list, None for nothing.

    The spec promises `totalItems` and not `hasNextPage`; neither was ever seen.
    """

    numbers: tuple[PhoneNumberView, ...]
    malformed: int = 0
    total: int | None = None
    has_next: bool | None = None

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Read `{"results": […], "metadata": {…}}`. Raises `VapiUnavailableError`."""
        elements, metadata = read_page(content)
        more, total = metadata.get("hasNextPage"), metadata.get("totalItems")
        counted = isinstance(total, int | float) and not isinstance(total, bool) and total >= 0
        return cls(
            tuple(PhoneNumberView(item) for item in elements.objects),
            elements.malformed,
            int(total) if counted and total is not None and total < MOST_ITEMS else None,
            more if isinstance(more, bool) else None,
        )
