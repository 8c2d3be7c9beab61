"""The doctor's check of coverage: where blocked calls would get through, from stored facts."""

from service.admin.conditions import SHOWN_BY_NUMBER, hole_conditions, is_silent
from service.admin.doctor.check import DoctorFinding
from service.admin.phone_numbers.coverage import HoleCount, count_holes
from service.domain.coverage.coverage import CallKind
from service.settings import Settings
from service.store.pool import Pool


async def examine_coverage(pool: Pool, settings: Settings) -> list[DoctorFinding]:
    """Holes that an admin can close are warnings; inherent ones are summed up in one line."""
    counts = await count_holes(
        pool, settings.callgate_ring_gate, settings.callgate_call_watch_interval
    )
    holes = [DoctorFinding.of("coverage", found) for found in hole_conditions(counts)]
    inherent = describe_inherent(counts)
    if not inherent:
        return [*holes, DoctorFinding.ok("coverage", "No number, so no hole.")]
    return [*holes, DoctorFinding.note("coverage", inherent)]


def describe_inherent(counts: list[HoleCount]) -> str:
    """Holes that are inherent to Vapi or that cannot be seen from here, by kind of call."""
    kinds: dict[CallKind, list[str]] = {}
    for count in counts:
        if is_silent(count) and count.hole.kind not in SHOWN_BY_NUMBER:
            kinds.setdefault(count.call, []).append(f"{count.hole.kind} ({count.numbers})")
    if not kinds:
        return ""
    listed = "; ".join(
        f"{kind}: {', '.join(sorted(holes))}" for kind, holes in sorted(kinds.items())
    )
    return f"May not be stopped, whatever is set: {listed}. The page of a number explains each."
