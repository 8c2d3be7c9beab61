"""A decision as sentences that a support agent can read to a customer. Pure.

A sentence repeats a policy's verdict and the facts behind it; it never decides. A plugin's policy is
described by its reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from policies.entitlements import Override, Trial
from service.domain.decisions import DEFAULT, Decision, TraceEffect, TraceEntry, decider_of
from service.domain.organizations import Organization
from service.domain.wording.dates import format_day
from service.domain.wording.labels import spaced
from service.domain.wording.plans import describe_plan

ENTITLING = ("plan", "trial")
NOT_ASKED: Mapping[str, str] = {
    "not_applicable": "it is not about this kind of call",
    "not_configured": "its settings are missing",
    "off": "it is switched off",
    "shadow": "it is in shadow, where its answer does not count",
}
"""Why a policy was not asked, by its reason in the trace."""


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """One policy's part of a decision. `entry` is its verdict as recorded; the default has none."""

    policy: str
    effect: TraceEffect
    sentence: str
    reason: str | None
    decisive: bool
    entry: TraceEntry | None = None


@dataclass(frozen=True, slots=True)
class AccessStory:
    """A decision described in a sentence or two, and policy by policy."""

    allowed: bool
    sentence: str
    steps: tuple[PolicyStep, ...]
    default: PolicyStep


def describe_access(
    organization: Organization, decision: Decision, renewal_grace: timedelta
) -> AccessStory:
    """Describe a decision about an organization, as stored at the time of the decision.

    `renewal_grace` is how long a plan that renews goes on after its period.
    """
    steps = tuple(
        PolicyStep(
            entry.policy,
            entry.effect,
            describe_step(entry, organization, decision, renewal_grace),
            entry.reason,
            entry.policy == decision.determined_by,
            entry,
        )
        for entry in decision.trace
    )
    verdict = "Calls are allowed." if decision.allowed else "Calls are blocked."
    sentence = f"{verdict} {describe_reason(decision, steps)}"
    return AccessStory(decision.allowed, sentence, steps, describe_default(decision))


def describe_default(decision: Decision) -> PolicyStep:
    """The last step of the chain: calls that no policy decides are blocked."""
    decider = decider_of(decision)
    if decider != DEFAULT:
        return PolicyStep(
            DEFAULT, "skipped", f"Not needed: {spaced(decider)} had decided.", None, decisive=False
        )
    sentence = "No policy decided, so calls are blocked."
    return PolicyStep(DEFAULT, "deny", sentence, decision.reason, decisive=True)


def describe_reason(decision: Decision, steps: Sequence[PolicyStep]) -> str:
    """The sentence of the deciding policy; if none could grant, those of all that might have."""
    decisive = [step for step in steps if step.decisive]
    if not decision.allowed and all(step.effect == "abstain" for step in decisive):
        others = [step for step in steps if step.policy in ENTITLING and step not in decisive]
        if not decisive and len(others) == len(ENTITLING) and not any(s.reason for s in others):
            sentences = {step.sentence for step in others}
            if sentences == {"There is no plan.", "There is no trial."}:
                return "There is neither a plan nor a trial."
        decisive = [*decisive, *others]
    return (
        join_sentences([step.sentence for step in decisive])
        or f"Reason: {spaced(decision.reason)}."
    )


def join_sentences(sentences: Sequence[str]) -> str:
    """Several sentences joined to one."""
    first, *rest = sentences or [""]
    small = [text[0].lower() + text[1:] if text.startswith("The") else text for text in rest]
    return "; ".join(text.rstrip(".") for text in (first, *small)) + "." if first else ""


def describe_step(
    entry: TraceEntry, organization: Organization, decision: Decision, renewal_grace: timedelta
) -> str:
    """One policy's verdict and its reason."""
    if entry.mode == "shadow" and entry.effect != "skipped":
        counted = describe_step(
            replace(entry, mode="enforce"), organization, decision, renewal_grace
        )
        return f"In shadow, so it does not count: {counted}"
    at = decision.decided_at
    if entry.effect == "skipped":
        if entry.reason is not None:
            return f"Not asked: {NOT_ASKED.get(entry.reason, spaced(entry.reason))}."
        decider = spaced(decision.determined_by or "another policy")
        return f"Not evaluated: {decider} had decided."
    if entry.effect == "failed":
        return f"Gave no usable answer ({entry.reason}); that counts as {entry.counted_as}."
    match entry.policy:
        case "admin_override":
            return describe_override(organization.override, at)
        case "plan":
            return describe_plan(organization.plan, entry.reason, at, renewal_grace)
        case "trial":
            return describe_trial(organization.trial, at)
    name, reason = spaced(entry.policy), spaced(entry.reason or "")
    said = {"allow": "allows calls", "deny": "blocks calls"}.get(entry.effect, "has no opinion")
    return f"The policy {name} {said}: {reason}." if reason else f"The policy {name} {said}."


def describe_override(override: Override | None, at: datetime) -> str:
    if override is None:
        return "There is no override."
    if override.starts_at is not None and at < override.starts_at:
        return f"An override by {override.author} begins on {format_day(override.starts_at, at)}."
    if override.expires_at is not None and at >= override.expires_at:
        return f"An override by {override.author} ended on {format_day(override.expires_at, at)}."
    does = "allows" if override.effect == "allow" else "blocks"
    end = f" until {format_day(override.expires_at, at)}" if override.expires_at else ""
    reason = override.reason.rstrip(".")
    return f"An override by {override.author} {does} all calls{end} (“{reason}”)."


def describe_trial(trial: Trial | None, at: datetime) -> str:
    if trial is None:
        return "There is no trial."
    if at < trial.starts_at:
        return f"The trial begins on {format_day(trial.starts_at, at)}."
    if at < trial.ends_at:
        return f"The trial runs until {format_day(trial.ends_at, at)}."
    return f"The trial ended on {format_day(trial.ends_at, at)}."
