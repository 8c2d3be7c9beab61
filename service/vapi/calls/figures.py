"""Instants, durations and costs as Vapi tells them, each with whether it is to be doubted. Pure.

An absent figure is unknown; an impossible one is doubted. Durations follow Vapi's instants:
a figure that contradicts them is doubted, and the time between them counts.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from service.domain.calls import SLACK

MAX_SECONDS = 10_000_000
MAX_COST = 10**9
NUMBERS = (int, float)
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
TOLERANCE_SECONDS = 30.0
"""How far a duration may lie from the time between the instants: carriers round up."""
MOST_PARTS = 20
ROUNDING = 0.01
"""US dollars by which the parts of a cost may exceed it."""

LONGEST_NAME = 40
PART_NAMES = {"transcriber": "stt", "model": "llm", "voice": "tts"}
"""Vapi names the parts in `costs` otherwise than in `costBreakdown`, whose names we use."""
BREAKDOWN = ("transport", "stt", "llm", "tts", "vapi", "chat")
"""The costs of a breakdown; its other numbers are a total and counts of tokens."""
ANALYSIS = "analysisCostBreakdown"
ANALYSES = ("summary", "structuredData", "successEvaluation", "structuredOutput")


def within(value: object, least: float, limit: float) -> float | None:
    """A number from `least` to below `limit`; None for NaN, infinity, booleans and other types."""
    if not isinstance(value, NUMBERS) or isinstance(value, bool) or not least <= value < limit:
        return None
    return float(value)


def instant(value: object) -> datetime | None:
    """Milliseconds since 1970 (since 2024-12) or an ISO text (before); None outside 2015–2100."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value[:40])
            moment = parsed.replace(tzinfo=parsed.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        return moment if EARLIEST <= moment.timestamp() < LATEST else None
    milliseconds = within(value, EARLIEST * 1000, LATEST * 1000)
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds is not None else None


def is_impossible(value: object) -> bool:
    """Whether an instant is there and cannot be one."""
    return value is not None and instant(value) is None


def read_duration(
    seconds: object,
    milliseconds: object,
    started_at: datetime | None,
    ended_at: datetime | None,
    created_at: datetime | None = None,
) -> tuple[float | None, bool]:
    """Seconds that a call lasted, and whether a figure of it is to be doubted.

    Instants that contradict each other, or lie before the call's creation, contradict no figure.
    """
    told = read_told(seconds, milliseconds)
    doubted = any(
        value is not None and within(value, 0, most) is None
        for value, most in ((seconds, MAX_SECONDS), (milliseconds, MAX_SECONDS * 1000))
    )
    if started_at is None or ended_at is None:
        return told, doubted
    span = within((ended_at - started_at).total_seconds(), 0, MAX_SECONDS)
    early = created_at is not None and started_at < created_at - SLACK
    if told is None or span is None or early:
        return span if told is None else told, doubted
    agree = abs(told - span) <= TOLERANCE_SECONDS
    return (told, doubted) if agree else (span, True)


def read_told(seconds: object, milliseconds: object) -> float | None:
    """The duration as one of two figures gives it, in seconds, whatever the instants say."""
    told = within(seconds, 0, MAX_SECONDS)
    if told is None and (in_ms := within(milliseconds, 0, MAX_SECONDS * 1000)) is not None:
        return in_ms / 1000
    return told


def read_cost(*candidates: object) -> tuple[Decimal | None, bool]:
    """The first possible cost in US dollars to the millionth, and whether one is to be doubted."""
    doubted = False
    for candidate in candidates:
        found = within(candidate, 0, MAX_COST)
        if found is not None:
            return Decimal(str(round(found, 6))), doubted
        doubted = doubted or candidate is not None
    return None, doubted


def read_cost_parts(
    breakdown: object, costs: object, cost: Decimal | None
) -> tuple[Mapping[str, float] | None, bool]:
    """The parts of a cost by name, and whether they are to be doubted: then there are none.

    `breakdown` and `costs` are Vapi's `costBreakdown` and `costs`; the second names what the first
    leaves out. Parts of 0 are left out.
    """
    try:
        parts = sum_parts(listed_parts(costs)) | sum_parts(breakdown_parts(breakdown))
    except ValueError:
        return None, True
    if len(parts) > MOST_PARTS or (
        cost is not None and sum(parts.values()) > float(cost) + ROUNDING
    ):
        return None, True
    return parts or None, False


def sum_parts(parts: Iterable[tuple[str, object]]) -> dict[str, float]:
    """Sums by name. Raises `ValueError` for a part that is impossible."""
    sums: dict[str, float] = {}
    for name, value in parts:
        if value is None:
            continue
        found = within(value, 0, MAX_COST)
        if found is None:
            raise ValueError(name)
        sums[name] = sums.get(name, 0.0) + found
    return {name: round(total, 6) for name, total in sums.items() if round(total, 6)}


def breakdown_parts(breakdown: object) -> Iterator[tuple[str, object]]:
    """What a `costBreakdown` says."""
    if isinstance(breakdown, Mapping):
        yield from ((name, breakdown.get(name)) for name in BREAKDOWN)
        analyses: Any = breakdown.get(ANALYSIS)
        if isinstance(analyses, Mapping):
            yield from (("analysis", analyses.get(name)) for name in ANALYSES)


def listed_parts(costs: object) -> Iterator[tuple[str, object]]:
    """What a list of `costs` says."""
    for item in costs if isinstance(costs, list) else ():
        kind = item.get("type") if isinstance(item, Mapping) else None
        if isinstance(kind, str) and len(kind) <= LONGEST_NAME:
            name = PART_NAMES.get(kind, kind).replace("-", "_").lower()
            if name.isascii() and name.replace("_", "").isalpha():
                yield name, item.get("cost")
