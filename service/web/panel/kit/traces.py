"""A decision's trace as a list to read from top to bottom. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.domain.decisions import Decision, TraceEffect, TraceEntry
from service.domain.wording.access import PolicyStep, describe_default
from service.domain.wording.calls import describe_terms
from service.domain.wording.labels import label_slug
from service.domain.wording.limits import describe_limit
from service.web.panel.kit.badges import Badge

EFFECTS: Mapping[TraceEffect, Badge] = {
    "allow": Badge("allows", "good"),
    "deny": Badge("blocks", "bad"),
    "abstain": Badge("no opinion"),
    "failed": Badge("failed", "bad"),
    "skipped": Badge("not asked"),
}
COUNTED_AS: Mapping[str, str] = {"allow": "allowed", "deny": "blocked", "abstain": "no opinion"}


@dataclass(frozen=True, slots=True)
class TraceStep:
    """The answer of one policy. `notes` are minor remarks."""

    policy: str
    effect: TraceEffect
    badge: Badge
    text: str
    notes: Sequence[str]


def decision_steps(decision: Decision) -> list[TraceStep]:
    """The steps of a recorded decision, with the default at the end; none if no policy was asked."""
    if not decision.trace:
        return []
    return [*trace_steps(decision.trace), *story_steps([describe_default(decision)])]


def trace_steps(entries: Iterable[TraceEntry]) -> list[TraceStep]:
    """The steps of a trace as it was recorded, with durations."""
    return [
        TraceStep(
            label_slug(entry.policy),
            entry.effect,
            EFFECTS[entry.effect],
            label_slug(entry.reason) if entry.reason else "",
            notes_of(entry),
        )
        for entry in entries
    ]


def notes_of(entry: TraceEntry) -> list[str]:
    notes = []
    if entry.mode == "shadow" and entry.effect != "skipped":
        notes.append("in shadow: does not count")
    if entry.effect == "failed" and entry.counted_as:
        notes.append(f"counted as {COUNTED_AS[entry.counted_as]}")
    notes += [describe_limit(limit) for limit in entry.limits]
    notes += [text for text in (entry.warning, entry.note) if text]
    notes += describe_terms(entry.terms)
    if entry.duration_ms:
        notes.append(f"{entry.duration_ms:.2f} ms")
    return notes


def story_steps(steps: Iterable[PolicyStep]) -> list[TraceStep]:
    """The steps of an explained decision, each with its sentence."""
    return [
        TraceStep(
            label_slug(step.policy),
            step.effect,
            EFFECTS[step.effect],
            step.sentence,
            [
                *([part_of(step)] if step.decisive else []),
                *(notes_of(step.entry) if step.entry else []),
            ],
        )
        for step in steps
    ]


def part_of(step: PolicyStep) -> str:
    """What a decisive step did: one that abstained only gave the reason."""
    return "gives the reason" if step.effect == "abstain" else "decides"
