"""Duration and cost of a call after one more record of its end. Pure.

Each rule gives the same in every order: what Vapi's own record says replaces what reports claim; of
several reports the largest plausible figures count, and the parts of a cost go with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from service.domain.call_records.details import CostParts
from service.domain.calls import CallEnd, plausible_cost, plausible_duration

Figure = TypeVar("Figure", float, Decimal)


@dataclass(frozen=True, slots=True)
class CallFigures:
    """`…_claimed`: a report's, which Vapi's record replaces. `doubts`: what of the end was refused."""

    duration_seconds: float | None
    duration_claimed: bool
    cost: Decimal | None
    cost_claimed: bool
    cost_parts: CostParts | None
    doubts: tuple[str, ...] = ()


def merge_figures(end: CallEnd, row: Mapping[str, Any]) -> CallFigures:
    """The figures after this end. `row` has those before it, `began_at` and `now`."""
    known_parts = row["cost_parts"]
    if end.proof == "vapi":
        # A cost of 0 is one that Vapi has not summed up yet.
        return CallFigures(
            *replace_figure(end.duration_seconds, row["duration_seconds"], row["duration_claimed"]),
            *replace_figure(end.cost or None, row["cost"], row["cost_claimed"]),
            end.cost_parts if end.cost else known_parts,
        )
    # Judged as of the report's arrival: how long a spool kept it must not matter.
    now = min(end.reported_at or row["now"], row["now"])
    duration, cost, doubts = check_figures(end, now - (row["began_at"] or now))
    proved = row["end_proved"]
    cost_proved = proved and not row["cost_claimed"]
    merged_cost, cost_claimed = add_claim(cost, row["cost"], cost_proved)
    parts = known_parts
    if cost is not None and not (cost_proved and row["cost"] is not None):
        parts = choose_parts((cost, end.cost_parts), (row["cost"], known_parts))
    return CallFigures(
        *add_claim(duration, row["duration_seconds"], proved and not row["duration_claimed"]),
        merged_cost,
        cost_claimed,
        parts,
        doubts,
    )


def replace_figure(
    told: Figure | None, known: Figure | None, claimed: bool
) -> tuple[Figure | None, bool]:
    """A figure after Vapi's record."""
    return (known, claimed) if told is None else (told, False)


def add_claim(
    claim: Figure | None, known: Figure | None, proved: bool
) -> tuple[Figure | None, bool]:
    """A figure after a report; `proved`: the known one is Vapi's, if there is one."""
    if known is None or claim is None:
        return (claim, claim is not None) if known is None else (known, not proved)
    return (known, False) if proved else (max(known, claim), True)


def choose_parts(
    one: tuple[Decimal, CostParts | None], other: tuple[Decimal | None, CostParts | None]
) -> CostParts | None:
    """The parts of the larger cost; of two equal ones those that come last in order."""
    if other[0] is None or one[0] > other[0]:
        return one[1]
    if one[0] < other[0]:
        return other[1]
    return max(one[1], other[1], key=lambda parts: sorted((parts or {}).items()))


def check_figures(
    end: CallEnd, age: timedelta
) -> tuple[float | None, Decimal | None, tuple[str, ...]]:
    """The plausible figures of a report, and the names of the others."""
    duration = plausible_duration(end.duration_seconds, age)
    cost = plausible_cost(end.cost, duration, age)
    refused = {"cost": cost != end.cost, "duration": duration != end.duration_seconds}
    return duration, cost, tuple(name for name, wrong in refused.items() if wrong)
