"""Heads of tables that can be sorted by their columns, and how many rows there are."""

from dataclasses import dataclass

from service.web.panel.kit.visit import Visit


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column that the list can be sorted by. `order` is its `aria-sort`."""

    name: str
    address: str
    wide: bool
    order: str = ""
    arrow: str = ""


def column(
    visit: Visit,
    name: str,
    key: str,
    sort: str,
    *,
    wide: bool = False,
    largest_first: bool = False,
) -> Column:
    """A head whose link sorts by its column; a second click turns the order."""
    first, second = (f"-{key}", key) if largest_first else (key, f"-{key}")
    turned = second if sort == first else first
    address = visit.here(sort=turned, cursor=None)
    if sort == key:
        return Column(name, address, wide, "ascending", "↑")
    if sort == f"-{key}":
        return Column(name, address, wide, "descending", "↓")
    return Column(name, address, wide)


def describe_total(
    total: int, noun: str, *, filtered: bool = False, most: int | None = None
) -> str:
    """How many rows a list has in all; `most` is how far they were counted."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    words = f"{total:,} {noun if total == 1 else many}"
    if most is not None and total > most:
        words = f"More than {most:,} {many}"
    return f"{words} of this selection" if filtered else words
