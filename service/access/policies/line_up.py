"""The policies in order, with the mode of each for one organization. No I/O."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from policies.host.registration import RegisteredPolicy
from service.access.policies.evaluation import Evaluator
from service.domain.decisions import TraceEntry
from service.domain.policies.choices import (
    NONE_CHOSEN,
    GeneralChoice,
    GeneralChoices,
    OwnChoices,
    PolicyMode,
)

AS_DECLARED = GeneralChoice()
MOST_KNOWN = 50_000


Template = Sequence[TraceEntry | None]
"""A trace with None in the place of each enforced policy; empty: all are enforced."""


class LineUp(NamedTuple):
    """`enforced` are the policies that decide, `shadowed` those that are asked afterwards, in order.

    `recorded` has no policy that Callgate ships and that sleeps: no decision says anything of it.
    `whole` has all of them, for explanations.
    """

    enforced: Sequence[Evaluator]
    shadowed: Sequence[Evaluator] = ()
    recorded: Template = ()
    whole: Template = ()
    predictable: bool = False
    """Whether all of them compute from the organization's facts alone."""

    def list_varying(self) -> list[Evaluator]:
        """The policies that may change their verdict at any moment."""
        return [one for one in self.enforced if not one.is_predictable]

    def complete(
        self, trace: Sequence[TraceEntry], *, whole: bool = False
    ) -> tuple[TraceEntry, ...]:
        """The trace of the enforced policies with the others at their places; `whole`: with all."""
        template = self.whole if whole else self.recorded
        if not template:
            return tuple(trace)
        entries = iter(trace)
        return tuple(next(entries) if one is None else one for one in template)


class Arrangement:
    """The policies as the choices for all organizations arrange them."""

    def __init__(self, evaluators: Sequence[Evaluator], choices: GeneralChoices) -> None:
        self.choices = choices
        for evaluator in evaluators:
            arrange(evaluator, choices.get(evaluator.registered.name, AS_DECLARED))
        self.evaluators = sorted(evaluators, key=lambda one: one.policy.rank)
        modes = {name: one for name, one in choices.items() if one.mode != "enforce"}
        self.modes = {
            one.policy.name: modes[one.policy.name]
            for one in self.evaluators
            if one.policy.name in modes and not one.policy.is_lasting
        }
        self.differs = any(one.share is not None for one in self.modes.values())
        self.known: dict[UUID, tuple[OwnChoices, LineUp]] = {}
        self.general = self.line_up(NONE_CHOSEN, UUID(int=0))

    def find(self, own: OwnChoices, organization_id: UUID) -> LineUp:
        """The policies for an organization with these choices of its own."""
        if not own and not self.differs:
            return self.general
        known = self.known.get(organization_id)
        if known is not None and known[0] is own:
            return known[1]
        found = self.line_up(own, organization_id)
        if len(self.known) >= MOST_KNOWN:
            self.known.clear()
        self.known[organization_id] = own, found
        return found

    def line_up(self, own: OwnChoices, organization_id: UUID) -> LineUp:
        """Arrange the policies by the modes for an organization. One that sleeps costs nothing then."""
        enforced: list[Evaluator] = []
        shadowed: list[Evaluator] = []
        whole: list[TraceEntry | None] = []
        left_out: set[str] = set()
        for evaluator in self.evaluators:
            name = evaluator.policy.name
            mode = self.mode_of(evaluator, own, organization_id)
            if mode != "off" and evaluator.sleeps(own.get(name)):
                whole.append(TraceEntry(name, "skipped", "not_configured"))
                left_out |= {name} if evaluator.trusted else set()
            elif mode == "enforce":
                enforced.append(evaluator)
                whole.append(None)
            else:
                whole.append(TraceEntry(name, "skipped", mode, mode=mode))
                shadowed += [evaluator] if mode == "shadow" else []
        recorded = [one for one in whole if one is None or one.policy not in left_out]
        predictable = all(one.is_predictable for one in (*enforced, *shadowed))
        return LineUp(enforced, shadowed, recorded if any(recorded) else (), whole, predictable)

    def mode_of(self, evaluator: Evaluator, own: OwnChoices, organization_id: UUID) -> PolicyMode:
        """The mode of a policy: the organization's own choice, else that for all."""
        name = evaluator.policy.name
        chosen = own.get(name)
        if chosen is not None and chosen.mode is not None and not evaluator.policy.is_lasting:
            return chosen.mode
        general = self.modes.get(name)
        return "enforce" if general is None else general.mode_for(name, organization_id)


def arrange(evaluator: Evaluator, choice: GeneralChoice) -> None:
    """Put the operator's order, effect of a failure and timeout in place of the policy's own."""
    evaluator.policy = arranged(evaluator.registered, choice)


def arranged(policy: RegisteredPolicy, choice: GeneralChoice) -> RegisteredPolicy:
    """A policy as an operator's choice for all organizations has it."""
    if choice.order is not None:
        policy = replace(policy, order=choice.order)
    if choice.on_failure is not None:
        policy = replace(policy, on_failure=choice.on_failure)
    if choice.timeout_seconds is not None:
        policy = replace(policy, timeout_seconds=choice.timeout_seconds)
    return policy
