"""Parses a list's query and selects its records, by Vapi's rules. No I/O."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import orjson

from service.sandbox.clock import parse_instant
from service.sandbox.collection import Record, Shelf
from service.sandbox.errors import VapiProblem

DEFAULT_LIMIT = 100
MOST = 1000
LATEST = 2**53
INSTANTS = tuple(
    f"{name}{comparison}"
    for name in ("createdAt", "updatedAt")
    for comparison in ("Gt", "Lt", "Ge", "Le")
)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list's parameters; `bounds` are milliseconds by parameter name."""

    limit: int = DEFAULT_LIMIT
    page: int = 1
    descending: bool = True
    bounds: Mapping[str, int] = field(default_factory=dict)
    equal: Mapping[str, str] = field(default_factory=dict)
    search: str = ""

    @property
    def span(self) -> tuple[int, int]:
        """The first and last millisecond of creation that can match."""
        get = self.bounds.get
        since = max(get("createdAtGe", 0), get("createdAtGt", -1) + 1)
        until = min(get("createdAtLe", LATEST), get("createdAtLt", LATEST + 1) - 1)
        return since, until

    @property
    def filtered(self) -> bool:
        return bool(self.bounds or self.equal or self.search)

    def cut(self, most: int | None) -> "ListQuery":
        """The query with at most so many elements a page."""
        return self if most is None else replace(self, limit=min(self.limit, most))

    def fits(self, created_ms: int, updated_ms: int) -> bool:
        for name, bound in self.bounds.items():
            value = created_ms if name.startswith("created") else updated_ms
            kept = {
                "Gt": value > bound,
                "Lt": value < bound,
                "Ge": value >= bound,
                "Le": value <= bound,
            }[name[-2:]]
            if not kept:
                return False
        return True


def parse_query(
    given: Mapping[str, str], *, paged: bool = False, equal: Iterable[str] = ()
) -> ListQuery:
    """Validate a list's query string. Raises `VapiProblem` (400) with all problems."""
    found: list[str] = []
    known = {"limit", *INSTANTS, *equal}
    if paged:
        known |= {"page", "sortOrder", "sortBy", "search"}
    found.extend(f"property {name} should not exist" for name in given if name not in known)
    limit = parse_count(given, "limit", DEFAULT_LIMIT, found, least=0, most=MOST)
    page = parse_count(given, "page", 1, found, least=1)
    order = given.get("sortOrder", "DESC")
    if order not in ("ASC", "DESC"):
        found.append("sortOrder must be one of the following values: ASC, DESC")
    if given.get("sortBy", "createdAt") not in ("createdAt", "duration", "cost"):
        found.append("sortBy must be one of the following values: createdAt, duration, cost")
    bounds = {}
    for name in INSTANTS:
        if name in given:
            try:
                bounds[name] = parse_instant(given[name])
            except (ValueError, OverflowError):
                found.append(f"{name} must be a valid ISO 8601 date string")
    if found:
        raise VapiProblem(400, found)
    wanted = {name: given[name] for name in equal if name in given}
    return ListQuery(limit, page, order == "DESC", bounds, wanted, given.get("search", ""))


def parse_count(
    given: Mapping[str, str],
    name: str,
    default: int,
    found: list[str],
    *,
    least: int,
    most: int | None = None,
) -> int:
    """A whole number of the query; problems are appended to `found`."""
    try:
        value = int(given.get(name, default))
    except ValueError:
        found.append(f"{name} must be a number conforming to the specified constraints")
        return default
    if most is not None and value > most:
        found.append(f"{name} must not be greater than {most}")
    elif value < least:
        found.append(f"{name} must not be less than {least}")
    return value


def select(shelf: Shelf, query: ListQuery) -> Iterator[Record]:
    """The matching records, newest first."""
    for record in shelf.newest_first(*query.span):
        if query.fits(record.created_ms, record.updated_ms) and (
            not query.search or query.search.casefold() in record.body.decode().casefold()
        ):
            yield record


def list_bare(shelf: Shelf, query: ListQuery, *, stale: bool = False) -> bytes:
    """`GET /phone-number`: a bare array, newest first."""
    if not query.filtered:
        records = shelf.slice(0, query.limit)
    else:
        records = []
        for record in select(shelf, query):
            if len(records) == query.limit:
                break
            records.append(record)
    return join(records, stale=stale)


def list_page(shelf: Shelf, query: ListQuery, *, stale: bool = False) -> bytes:
    """`GET /v2/phone-number`: one page and its metadata."""
    start = (query.page - 1) * query.limit
    if not query.filtered:
        total = len(shelf)
        records = shelf.slice(start, query.limit, descending=query.descending)
    else:
        fitting = list(select(shelf, query))
        if not query.descending:
            fitting.reverse()
        total, records = len(fitting), fitting[start : start + query.limit]
    metadata = {
        "itemsPerPage": query.limit,
        "totalItems": total,
        "currentPage": query.page,
        "totalPages": -(-total // query.limit) if query.limit else 0,
        "hasNextPage": start + len(records) < total,
        "sortOrder": "DESC" if query.descending else "ASC",
    }
    return b'{"results":%b,"metadata":%b}' % (join(records, stale=stale), orjson.dumps(metadata))


def join(records: list[Record], *, stale: bool) -> bytes:
    return b"[" + b",".join(record.read(stale=stale) for record in records) + b"]"
