"""The report on a policy in shadow, as its page prints it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.policies.shadow import Decided, ShadowReport, ShadowVerdict
from service.domain.wording.labels import format_count, label_slug
from service.web.panel.kit.links import TextLink
from service.web.panel.kit.visit import ROOT

DECIDED: Mapping[Decided, str] = {"allow": "allowed", "deny": "blocked"}


@dataclass(frozen=True, slots=True)
class DifferingRow:
    """A call as the report lists it: what was decided, and what would have been. `address` is that of
    the call's page; empty: it has no record."""

    vapi_call_id: str
    address: str
    at: datetime
    was: str
    would: str
    reason: str
    organization: TextLink


def differing_row(
    verdict: ShadowVerdict, calls: Mapping[str, UUID], organizations: Mapping[UUID, str]
) -> DifferingRow:
    """A call on which a policy in shadow differed."""
    call, owner = calls.get(verdict.vapi_call_id), verdict.organization_id
    return DifferingRow(
        verdict.vapi_call_id,
        f"{ROOT}/calls/{call}" if call else "",
        verdict.at,
        DECIDED[verdict.decided],
        DECIDED[verdict.would],
        label_slug(verdict.reason) if verdict.reason else "—",
        TextLink(organizations.get(owner, "Deleted organization"), f"{ROOT}/organizations/{owner}"),
    )


def describe_report(report: ShadowReport) -> str:
    """A report as a sentence."""
    if not report.asked:
        return "In shadow it was not asked."
    asked = format_count(report.asked, "call", "calls")
    blocked = format_count(report.would_have_blocked, "call", "calls")
    owners = format_count(report.organizations, "organization", "organizations")
    failures = format_count(report.failed, "time", "times")
    failed = f" It gave no usable answer {failures}." if report.failed else ""
    return (
        f"In shadow it was asked about {asked}. It would have blocked {blocked} of {owners} and allowed "
        f"{report.would_have_allowed:,}.{failed}"
    )
