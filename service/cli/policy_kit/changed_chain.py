"""The chain of a replay: the installed policies with what an operator changes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from policies.contract import OnFailure
from policies.host.registration import BUILT_IN, RegisteredPolicy, UnfitPolicyError, fit_policy
from policies.host.settings import UnfitSettingsError
from service.access.policies.plugins import PolicyChoice, load_policies
from service.cli.policy_kit.cases import CasesError, Strict, find_policies, read_document
from service.domain.policies.choices import GeneralChoice, GeneralChoices, PolicyMode
from service.settings import Settings


class Choice(Strict):
    """How a policy is asked for all organizations; what is absent is as it is now."""

    mode: PolicyMode | None = None
    order: int | None = None
    on_failure: OnFailure | None = None
    timeout_seconds: float | None = None


class ChangedChain(Strict):
    """A file: `policies` are plugins as entry points name them, which join the installed ones or replace
    those of the same names; `settings` values and `choices` by the policy's name. Cases for
    `callgate policies test` may stand in the same file."""

    policies: list[str] = Field(default_factory=list)
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    choices: dict[str, Choice] = Field(default_factory=dict)
    cases: list[Any] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ReplayedChain:
    """The policies, the choices for all organizations that differ from the present ones, and the names
    of the policies that are asked though they do not only compute."""

    policies: Sequence[RegisteredPolicy]
    asked: frozenset[str]
    choices: Mapping[str, Choice] = field(default_factory=dict)

    def merged(self, present: GeneralChoices) -> GeneralChoices:
        """All choices for all organizations."""
        merged = dict(present)
        for name, choice in self.choices.items():
            given: dict[str, Any] = choice.model_dump(exclude_none=True)
            if choice.mode is not None:
                given["share"] = None
            merged[name] = replace(merged.get(name, GeneralChoice()), **given)
        return merged


def read_chain(path: Path) -> ChangedChain:
    """The changes in a YAML or JSON file. Raises `CasesError`."""
    return read_document(path, ChangedChain)


def build_chain(settings: Settings, changed: ChangedChain, asked: Sequence[str]) -> ReplayedChain:
    """The installed policies with the changes. Raises `CasesError`, or `PolicyTestError` for a plugin
    that does not fit."""
    loaded = load_policies(PolicyChoice.of(settings))
    if loaded.problems:
        problem = loaded.problems[0]
        raise CasesError(f"{problem.plugin} cannot be loaded: {problem.message}")
    found = {one.name: one for one in loaded.policies}
    named: set[str] = set(asked)
    for plugin in changed.policies:
        for candidate in find_policies([plugin]):
            policy = fit(candidate, plugin)
            found[policy.name] = policy
            named.add(policy.name)
    for name in {*changed.settings, *changed.choices, *named}:
        if name not in found:
            raise CasesError(f"There is no policy {name!r} in the chain.")
    for name, values in changed.settings.items():
        found[name] = with_settings(found[name], values)
    return ReplayedChain(list(found.values()), frozenset(named), changed.choices)


def fit(candidate: object, plugin: str) -> RegisteredPolicy:
    """A policy of a plugin that is not installed. Raises `CasesError`."""
    try:
        policy = fit_policy(candidate, plugin, "")
    except UnfitPolicyError as exc:
        raise CasesError(f"{plugin}: {exc}") from exc
    if policy.name in BUILT_IN:
        raise CasesError(f"{plugin}: the name {policy.name!r} is reserved.")
    return policy


def with_settings(policy: RegisteredPolicy, values: Mapping[str, object]) -> RegisteredPolicy:
    """The policy with these settings over those of the environment. Raises `CasesError`."""
    model = policy.settings
    if model is None:
        raise CasesError(f"The policy {policy.name!r} has no settings.")
    try:
        default = model.merged(values)
    except UnfitSettingsError as exc:
        raise CasesError(f"{policy.name}: {exc}") from exc
    return replace(
        policy, settings=replace(model, given={**model.given, **values}, default=default)
    )
