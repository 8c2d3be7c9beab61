"""The report on a policy in shadow, as its page prints it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.policies.shadow import Decided, ShadowReport, ShadowVerdict
from service.domain.wording.labels import label_slug

DECIDED: Mapping[Decided, str] = {"allow": "allowed", "deny": "blocked"}


@dataclass(frozen=True, slots=True)
class DifferingRow:
    """A call as the report lists it: what was decided, and what would have been."""

    vapi_call_id: str
    at: datetime
    was: str
    would: str
    reason: str
    organization_id: UUID


def differing_row(verdict: ShadowVerdict) -> DifferingRow:
    """A call on which a policy in shadow differed."""
    return DifferingRow(
        verdict.vapi_call_id,
        verdict.at,
        DECIDED[verdict.decided],
        DECIDED[verdict.would],
        label_slug(verdict.reason) if verdict.reason else "—",
        verdict.organization_id,
    )


def describe_report(report: ShadowReport) -> str:
    """A report as a sentence."""
    if not report.asked:
        return "In shadow it was not asked."
    return (
        f"In shadow it was asked about {report.asked} calls. It would have blocked "
        f"{report.would_have_blocked} calls of {report.organizations} organizations and allowed "
        f"{report.would_have_allowed}; {report.failed} times it gave no usable answer."
    )
