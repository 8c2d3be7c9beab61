"""Badges: short coloured labels for states, decisions and results. Pure."""

from dataclasses import dataclass

from service.domain.decisions import Decision
from service.domain.wording.labels import Tone, label_slug, tone_of


@dataclass(frozen=True, slots=True)
class Badge:
    """A label with its tone."""

    text: str
    tone: Tone = "calm"


PAUSED = Badge("Paused", "wait")
ALLOWED, BLOCKED = Badge("Allowed", "good"), Badge("Blocked", "bad")


def state_badge(slug: object) -> Badge:
    """The badge of a state that the service names by a slug."""
    return Badge(label_slug(slug), tone_of(slug))


def outcome_badge(*, allowed: bool) -> Badge:
    return ALLOWED if allowed else BLOCKED


def access_badge(decision: Decision) -> Badge:
    """Whether an organization has access."""
    return outcome_badge(allowed=decision.allowed)
