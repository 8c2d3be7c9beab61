"""The one register of problems. Readiness, overview, doctor, metrics and banners are views of it. Pure.

A condition is made by `condition`, with the words of its kind: a view never has words of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from service.domain.condition_kinds import ConditionKind, Severity
from service.domain.wording.conditions import answer as answers
from service.domain.wording.conditions import (
    clock,
    panel,
    relay,
    replica,
    start,
    storage,
    usage,
    vapi,
)
from service.domain.wording.conditions import installation as doctor
from service.domain.wording.conditions import policy as policies

CONDITIONS: Mapping[str, ConditionKind] = {
    kind.slug: kind
    for kind in (
        *start.START_KINDS,
        *replica.REPLICA_KINDS,
        *policies.POLICY_KINDS,
        *clock.CLOCK_KINDS,
        *panel.PANEL_KINDS,
        *replica.RECONCILE_KINDS,
        *answers.ANSWER_KINDS,
        *vapi.VAPI_KINDS,
        *replica.CALL_KINDS,
        *relay.RELAY_KINDS,
        *usage.USAGE_KINDS,
        *storage.STORAGE_KINDS,
        *doctor.INSTALLATION_KINDS,
        *doctor.MODE_KINDS,
        *doctor.WEBHOOK_KINDS,
        *doctor.CHECK_KINDS,
    )
}

SKEW_SECONDS, WRONG_SECONDS = 2.0, 60.0

RANKS: Mapping[Severity, int] = {"error": 0, "warning": 1, "notice": 2}
ORDER: Mapping[str, int] = {slug: place for place, slug in enumerate(CONDITIONS)}


@dataclass(frozen=True, slots=True)
class Condition:
    """A problem that exists now. `link` is the page that solves it, below the panel's root."""

    kind: str
    severity: Severity
    text: str
    remedy: str
    link: str = ""

    @property
    def concerns_all(self) -> bool:
        """Whether every page of the panel shows it: an error, or a part of readiness."""
        return self.severity == "error" or bool(CONDITIONS[self.kind].check)


def condition(slug: str, /, **values: object) -> Condition:
    """A condition of a kind; `values` fill the placeholders of its words and link."""
    kind = CONDITIONS[slug]
    text, remedy = kind.sentence.format(**values), kind.remedy.format(**values)
    return Condition(slug, kind.severity, text, remedy, kind.link.format(**values))


def clock_condition(ahead_seconds: float) -> Condition | None:
    """What a database's clock that is `ahead_seconds` of this machine's means; None while both agree."""
    if abs(ahead_seconds) <= SKEW_SECONDS:
        return None
    kind = "clock_wrong" if abs(ahead_seconds) > WRONG_SECONDS else "clock_skewed"
    return condition(kind, seconds=f"{ahead_seconds:+.1f}")


def by_urgency(conditions: Iterable[Condition]) -> list[Condition]:
    """Errors first, then warnings, then notices; within each in the order of the register."""
    return sorted(conditions, key=lambda one: (RANKS[one.severity], ORDER[one.kind]))
