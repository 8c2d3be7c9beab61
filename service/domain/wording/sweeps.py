"""A sweep in sentences, for the panel and the command line: the parts add up to the whole. Pure."""

from collections.abc import Sequence

from service.domain.sweeps import MissingNumber, SweepReport
from service.domain.wording.labels import format_count

MOST_NAMED = 5
UNLISTED_REMEDY = (
    "Check that VAPI_API_KEY is a key of the Vapi organization that has these numbers. If they were "
    "deleted at Vapi, remove them here, or import them at Vapi again."
)


def describe_checked(report: SweepReport) -> str:
    """How many numbers are in which state: the parts sum up to those checked."""
    parts = [f"{report.in_sync:,} in sync"]
    if report.drifted:
        parts.append(f"{report.drifted:,} drifted{describe_drifted(report)}")
    if report.missing:
        parts.append(f"{report.missing:,} missing at Vapi")
    if report.undecided:
        parts.append(f"{report.undecided:,} not judged yet")
    return f"{report.checked:,} checked: {', '.join(parts)}."


def describe_drifted(report: SweepReport) -> str:
    """The state of the drifted numbers, in brackets; "" for none."""
    counts = (
        (report.repaired, "repaired"),
        (report.unrepaired, "failed"),
        (report.shadowed, "shadowed"),
        (report.paused, "paused"),
    )
    parts = [f"{count:,} {what}" for count, what in counts if count]
    return f" ({', '.join(parts)})" if parts else ""


def describe_missing(report: SweepReport) -> str:
    """The missing numbers by name, with what to do; "" for none."""
    if not report.missing_numbers:
        return ""
    names = "; ".join(one.name for one in report.missing_numbers[:MOST_NAMED])
    further = len(report.missing_numbers) - MOST_NAMED
    more = f" and {further:,} more" if further > 0 else ""
    return f"Missing at Vapi: {names}{more}. {report.missing_numbers[0].remedy}"


def describe_unlisted(report: SweepReport, names: Sequence[str], registered: int) -> str:
    """Why a list is not believed, the numbers that it lacks by `names`, and what to do."""
    count = report.unlisted or 0
    shown = "; ".join(names[:MOST_NAMED])
    more = f" and {count - MOST_NAMED:,} more" if count > MOST_NAMED else ""
    return (
        f"Vapi does not list {count:,} of {registered:,} registered numbers: {shown}{more}. So many at "
        f"once look like a mistake (the key of another Vapi organization, a broken answer), so nothing "
        f"was changed. {UNLISTED_REMEDY}"
    )


def describe_repairs(report: SweepReport) -> str:
    """The result of repairs in a few sentences."""
    if report.drifted:
        parts = [
            f"{report.repaired} of {format_count(report.drifted, 'number', 'numbers')} repaired"
        ]
        parts += [f"{report.remaining} in progress"] if report.remaining else []
        parts += [f"{report.unrepaired} failed"] if report.unrepaired else []
        text = f"{', '.join(parts)}."
    else:
        text = "There was nothing to repair."
    unread = f"Not readable at Vapi: {report.unread}." if report.unread else ""
    rest = (text, describe_missing(report), unread, report.caveat)
    return " ".join(one for one in rest if one)


def describe_row(one: MissingNumber) -> str:
    """What a table says of a missing number."""
    return f"Missing at Vapi. {one.remedy}"
