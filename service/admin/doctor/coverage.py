"""The doctor's look at coverage: where blocked calls would get through, by what is stored."""

from collections.abc import Iterator

from service.admin.doctor.check import DoctorFinding
from service.admin.phone_numbers.coverage import HoleCount, count_holes
from service.domain.coverage.coverage import CallKind
from service.domain.coverage.holes import HoleKind
from service.settings import Settings
from service.store.pool import Pool

TOLD_ELSEWHERE: frozenset[HoleKind] = frozenset({"not_in_sync", "shadowed"})
"""What the numbers' own check says, number by number."""

UNSEEN: frozenset[HoleKind] = frozenset({"web_unregistered"})
"""Only a hole if there are such calls at all, which nobody can see from here."""


async def examine_coverage(pool: Pool, settings: Settings) -> list[DoctorFinding]:
    """Holes that somebody has to mend are warnings; those in the nature of Vapi are told once."""
    counts = await count_holes(
        pool, settings.callgate_ring_gate, settings.callgate_call_watch_interval
    )
    return [*warnings(counts), DoctorFinding("coverage", "ok", summary(counts))]


def warnings(counts: list[HoleCount]) -> Iterator[DoctorFinding]:
    """One a hole, with how many numbers have it."""
    numbers: dict[HoleKind, HoleCount] = {}
    for count in counts:
        if not is_silent(count):
            numbers.setdefault(count.hole.kind, count)
    for count in numbers.values():
        text = f"{count.hole.text} Numbers concerned: {count.numbers}."
        yield DoctorFinding("coverage", "warning", text, count.hole.remedy)


def is_silent(count: HoleCount) -> bool:
    kind = count.hole.kind
    return count.hole.inherent or kind in TOLD_ELSEWHERE or kind in UNSEEN


def summary(counts: list[HoleCount]) -> str:
    """What can hardly be mended, or is no hole for everybody, kind of call by kind of call."""
    kinds: dict[CallKind, list[str]] = {}
    for count in counts:
        if is_silent(count) and count.hole.kind not in TOLD_ELSEWHERE:
            kinds.setdefault(count.call, []).append(f"{count.hole.kind} ({count.numbers})")
    if not kinds:
        return "No number, so no hole."
    told = "; ".join(f"{kind}: {', '.join(sorted(holes))}" for kind, holes in sorted(kinds.items()))
    return f"Not sure to be stopped: {told}. See GET /phone-numbers/{{id}}/coverage."
