"""An organization as pages print it: a row of the list, its page, its access explained. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from policies.entitlements import PlanLimits
from service.admin.organizations.access import Explained
from service.domain.calls import Call
from service.domain.decisions import Decision
from service.domain.handling import Handling
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber
from service.domain.wording.labels import Tone, label_slug
from service.web.panel.calls.views import outcome_of, reason_of
from service.web.panel.kit.badges import Badge, access_badge, state_badge
from service.web.panel.kit.traces import TraceStep, story_steps
from service.web.panel.kit.visit import ROOT
from service.web.panel.phone_numbers.views import badges_of

RING_GATE: Mapping[bool | None, str] = {
    None: "as the service is set",
    True: "blocked by Vapi",
    False: "not blocked",
}


def address_of(organization: Organization) -> str:
    return f"{ROOT}/organizations/{organization.id}"


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """An organization in the list."""

    organization: Organization
    decision: Decision

    @property
    def address(self) -> str:
        return address_of(self.organization)

    @property
    def access(self) -> Badge:
        return access_badge(self.decision)

    @property
    def trial_ends_at(self) -> datetime | None:
        return self.organization.trial.ends_at if self.organization.trial else None

    @property
    def plan_ends_at(self) -> datetime | None:
        return self.organization.plan.current_period_end if self.organization.plan else None

    @property
    def plan_badge(self) -> Badge | None:
        return state_badge(self.organization.plan.status) if self.organization.plan else None


@dataclass(frozen=True, slots=True)
class TurnView:
    """An upcoming change of the access."""

    at: datetime
    tone: Tone
    sentence: str


@dataclass(frozen=True, slots=True)
class AccessView:
    """The access at a time, explained."""

    at: datetime
    sentence: str
    steps: Sequence[TraceStep]
    turns: Sequence[TurnView]
    varying: Sequence[str]

    @property
    def outlook(self) -> str:
        """Until when it holds, if no change is known beforehand."""
        if not self.varying:
            return "This holds until an admin changes it."
        named = ", ".join(label_slug(name) for name in self.varying)
        return (
            "No change is known beforehand. These policies may answer differently at any time, or for a "
            f"certain call: {named}."
        )

    @property
    def is_past(self) -> bool:
        """Whether the facts are those of an earlier time."""
        return self.at < datetime.now(UTC)


def access_view(explained: Explained) -> AccessView:
    turns = [
        TurnView(turn.at, "good" if turn.decision.allowed else "bad", turn.story.sentence)
        for turn in explained.turns
    ]
    story = explained.story
    return AccessView(
        explained.decision.decided_at,
        story.sentence,
        story_steps((*story.steps, story.default)),
        turns,
        explained.varying,
    )


@dataclass(frozen=True, slots=True)
class OrganizationNumber:
    """A number of the organization."""

    number: PhoneNumber

    @property
    def name(self) -> str:
        return self.number.number or self.number.vapi_phone_number_id

    @property
    def badges(self) -> list[Badge]:
        """As in the list of numbers: the state, a pause, and whether allowed calls are answered."""
        return badges_of(self.number)


@dataclass(frozen=True, slots=True)
class RecentCall:
    """A call of the organization."""

    call: Call

    @property
    def badge(self) -> Badge:
        """As in the list of calls: one that was cut off or not answered is not just allowed."""
        return outcome_of(self.call)

    @property
    def reason(self) -> str:
        return reason_of(self.call)


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """The page of an organization, beside the organization's own fields. `blocked_message` is what a
    caller hears who is blocked for `blocked_reason`."""

    organization: Organization
    decision: Decision
    blocked_message: str
    blocked_reason: str

    @property
    def address(self) -> str:
        return address_of(self.organization)

    @property
    def access(self) -> Badge:
        return access_badge(self.decision)

    @property
    def plan_badge(self) -> Badge | None:
        return state_badge(self.organization.plan.status) if self.organization.plan else None

    @property
    def time_zone(self) -> str:
        return self.organization.time_zone or "UTC"

    @property
    def plan_limits(self) -> list[tuple[str, str]]:
        """The limits of the plan, as terms with their values."""
        plan = self.organization.plan
        limits = (plan.limits if plan else None) or PlanLimits()
        values = [
            ("Minutes a period", limits.minutes),
            ("Calls at the same time", limits.concurrent_calls),
            ("Cost a period", limits.cost),
        ]
        return [(term, f"{value:g}") for term, value in values if value is not None]

    @property
    def override_text(self) -> str:
        override = self.organization.override
        if override is None:
            return ""
        verb = "Allows" if override.effect == "allow" else "Blocks"
        return f"{verb} all calls: “{override.reason}”"

    @property
    def heard_when(self) -> str:
        """The case of which the blocked message is an example."""
        if not self.decision.allowed:
            return "A blocked caller hears now:"
        return f"A caller who is blocked for the reason “{label_slug(self.blocked_reason)}” hears:"

    @property
    def external_id(self) -> str:
        return self.organization.external_id or "—"

    @property
    def handling(self) -> list[tuple[str, str]]:
        return describe_handling(self.organization.handling)


def describe_handling(handling: Handling) -> list[tuple[str, str]]:
    """How calls are handled, as terms with their descriptions."""
    hangs_up = handling.when_access_ends == "hang_up"
    return [
        ("While it rings", RING_GATE[handling.ring_gate]),
        ("Goodbye", "spoken before the hang-up" if handling.goodbye else "not spoken"),
        (
            "When access ends",
            "calls in progress are hung up" if hangs_up else "calls in progress may finish",
        ),
    ]
