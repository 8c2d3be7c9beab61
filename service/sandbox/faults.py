"""Faults on demand: rules that match requests and change their answers.

Matching and counting are pure; `traffic` applies the fault.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase

from service.sandbox.collection import Json


@dataclass(slots=True)
class SandboxFault:
    """One rule. `pattern` is `METHOD /path` with `*`, such as `PATCH /phone-number/*`.

    Effect: wait `latency` seconds and go on; hold the request for `stall` seconds and drop
    it; `reset` the connection; answer `status` (with `retry_after`, as `html` or JSON); answer 200
    with `html`; answer 200 with exactly the JSON value `answer` in place of the real one; cut the
    real answer in half (`truncated`); for control URLs, `lie`: answer 200 and end nothing; for GET,
    `stale`: answer the state before the last change. With `done` the request takes effect first,
    and only its answer is lost. Lists: at most `most` elements a page, whatever the query's limit;
    the elements `insert` after the first one; `total` as the metadata's `totalItems`.
    When: for the first `times` matches (None: always), and only each `every`-th of them, after `skip`
    matches that pass.
    """

    pattern: str
    times: int | None = None
    every: int = 1
    skip: int = 0
    status: int | None = None
    retry_after: float | None = None
    html: bool = False
    answer: object = None
    truncated: bool = False
    stall: float | None = None
    reset: bool = False
    latency: float = 0.0
    lie: bool = False
    stale: bool = False
    done: bool = False
    most: int | None = None
    insert: tuple[object, ...] = ()
    total: int | None = None
    seen: int = field(default=0)
    hits: int = field(default=0)

    def matches(self, method: str, path: str) -> bool:
        wanted, _, pattern = self.pattern.partition(" ")
        if not pattern:
            wanted, pattern = "*", self.pattern
        return fnmatchcase(method, wanted.upper()) and fnmatchcase(path, pattern)

    def strikes(self) -> bool:
        """Count a match; True if the fault applies to this one."""
        if self.times is not None and self.hits >= self.times:
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.seen - self.skip) % self.every:
            return False
        self.hits += 1
        return True

    @property
    def spent(self) -> bool:
        return self.times is not None and self.hits >= self.times


class Faults:
    """The active rules, in the order of their creation; the first that strikes applies."""

    def __init__(self) -> None:
        self.rules: list[SandboxFault] = []

    def add(self, fault: SandboxFault) -> SandboxFault:
        if fault.every < 1:
            raise ValueError("every must be at least 1")
        self.rules.append(fault)
        return fault

    def clear(self) -> None:
        self.rules.clear()

    def strike(self, method: str, path: str) -> SandboxFault | None:
        """The fault that applies to a request, if any. Spent rules are removed."""
        found = None
        for fault in self.rules:
            if fault.matches(method, path) and fault.strikes():
                found = fault
                break
        self.rules = [fault for fault in self.rules if not fault.spent]
        return found

    def describe(self) -> list[Json]:
        return [asdict(fault) for fault in self.rules]


def parse_fault(data: Json) -> SandboxFault:
    """A rule from JSON. Raises `ValueError` with the problem."""
    known = {
        item.name: item.type for item in fields(SandboxFault) if item.name not in ("seen", "hits")
    }
    if unknown := sorted(set(data) - set(known)):
        raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    if not data.get("pattern"):
        raise ValueError("pattern is missing, such as 'PATCH /phone-number/*'")
    check_types(data, ("pattern",), str)
    check_types(data, ("html", "truncated", "reset", "lie", "stale", "done"), bool)
    check_types(data, ("times", "every", "skip", "status", "most", "total"), int)
    check_types(data, ("insert",), (list, tuple))
    check_types(data, ("retry_after", "stall", "latency"), (int, float))
    if not 100 <= data.get("status", 500) <= 599:
        raise ValueError("status must be an HTTP status")
    if "answer" in data and data["answer"] is None:
        raise ValueError("answer must be a JSON value other than null")
    return SandboxFault(**data)


def check_types(data: Json, names: Iterable[str], kind: type | tuple[type, ...]) -> None:
    for name in names:
        value = data.get(name)
        if name in data and (not isinstance(value, kind) or (kind is not bool and value is True)):
            raise ValueError(f"{name} has the wrong type")
