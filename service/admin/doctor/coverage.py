"""The doctor's check of coverage: where blocked calls would get through, from stored facts."""

from collections.abc import Iterator, Mapping, Sequence

from service.admin.conditions import hole_conditions
from service.admin.doctor.check import DoctorFinding
from service.admin.phone_numbers.coverage import HoleCount, count_holes
from service.domain.coverage.coverage import CallKind
from service.settings import Settings
from service.store.pool import Pool

KINDS: Mapping[CallKind, str] = {
    "inbound": "inbound calls",
    "outbound": "outbound calls",
    "web": "web calls",
    "campaign": "campaigns",
    "sms": "text messages",
}


async def examine_coverage(pool: Pool, settings: Settings) -> list[DoctorFinding]:
    """Holes that an admin can close are warnings; the others are notes."""
    counts = await count_holes(
        pool, settings.callgate_ring_gate, settings.callgate_call_watch_interval
    )
    holes = [DoctorFinding.of("coverage", found) for found in hole_conditions(counts)]
    notes = [*describe_unassigned(counts), *describe_inherent(counts)]
    return [*holes, *notes] or [DoctorFinding.ok("coverage", "No number at Vapi, so no hole.")]


def describe_unassigned(counts: Sequence[HoleCount]) -> Iterator[DoctorFinding]:
    """Numbers whose organizations' web calls have no owner, if there are such calls: nothing here
    knows."""
    for count in counts:
        if count.hole.kind == "web_unregistered":
            text = (
                "Web calls of these organizations are neither decided nor stopped, because no assistant "
                "of theirs is registered: register them on the organizations' pages, if there are such "
                f"calls. Numbers concerned: {count.numbers:,}."
            )
            yield DoctorFinding.note("coverage", text, "numbers?condition=web_unregistered")


def describe_inherent(counts: Sequence[HoleCount]) -> Iterator[DoctorFinding]:
    """The kinds of calls with a hole that is inherent to Vapi."""
    found = {count.call for count in counts if count.hole.inherent}
    if found:
        kinds = ", ".join(name for kind, name in KINDS.items() if kind in found)
        text = (
            f"Vapi offers no way to stop each call of these kinds before it begins: {kinds}. The page "
            "of a number explains each."
        )
        yield DoctorFinding.note("coverage", text)
