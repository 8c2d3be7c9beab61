"""The policies in order, with the mode of each for one organization. No I/O."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple
from uuid import UUID

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
Asleep = Literal["not_configured"]
ASLEEP: Asleep = "not_configured"
Place = tuple[Evaluator, PolicyMode | Asleep]


class LineUp(NamedTuple):
    """`enforced` are the policies that decide, in order. `places` are all that are awake, with their
    modes; empty if all of these are enforced. `whole` are all, those that Callgate ships and that sleep
    too: no decision says anything of them, but explanations do."""

    enforced: Sequence[Evaluator]
    places: Sequence[Place] = ()
    whole: Sequence[Place] = ()

    @property
    def shadowed(self) -> list[Evaluator]:
        """The policies that are asked beside, in order."""
        return [evaluator for evaluator, mode in self.places if mode == "shadow"]

    def list_varying(self, own: OwnChoices = NONE_CHOSEN) -> list[Evaluator]:
        """The policies that may change their verdict at any moment for an organization."""
        return [
            one
            for one in self.enforced
            if not one.is_predictable and not one.sleeps(own.get(one.policy.name))
        ]

    def complete(self, trace: Sequence[TraceEntry], *, whole: bool = False) -> list[TraceEntry]:
        """The trace of the enforced policies with the others at their places; `whole`: with all."""
        places = self.whole if whole else self.places
        if not places:
            return list(trace)
        entries = iter(trace)
        return [
            next(entries) if mode == "enforce" else entry_of(evaluator, mode)
            for evaluator, mode in places
        ]


def entry_of(evaluator: Evaluator, place: PolicyMode | Asleep) -> TraceEntry:
    """The entry of a policy that does not count."""
    mode = "enforce" if place == ASLEEP else place
    return TraceEntry(evaluator.policy.name, "skipped", place, mode=mode)


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
        self.general = self.line_up({}, UUID(int=0))

    def line_up(self, own: OwnChoices, organization_id: UUID) -> LineUp:
        """The policies for an organization with these choices of its own."""
        whole = [(one, self.place_of(one, own, organization_id)) for one in self.evaluators]
        places = [place for place in whole if place[1] != ASLEEP]
        enforced = [one for one, mode in places if mode == "enforce"]
        return LineUp(enforced, () if len(enforced) == len(places) else places, whole)

    def place_of(
        self, evaluator: Evaluator, own: OwnChoices, organization_id: UUID
    ) -> PolicyMode | Asleep:
        """The mode of a policy, unless it is one that Callgate ships and has no settings."""
        mode = self.mode_of(evaluator, own, organization_id)
        if mode != "enforce" or not evaluator.trusted:
            return mode
        return ASLEEP if evaluator.sleeps(own.get(evaluator.policy.name)) else mode

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
    policy = evaluator.registered
    if choice.order is not None:
        policy = replace(policy, order=choice.order)
    if choice.on_failure is not None:
        policy = replace(policy, on_failure=choice.on_failure)
    if choice.timeout_seconds is not None:
        policy = replace(policy, timeout_seconds=choice.timeout_seconds)
    evaluator.policy = policy
