"""Checks every attribute of a registered object before it joins the chain."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from pydantic import BaseModel

from policies.contract import API_VERSION, AccessRequest, AppliesTo, OnFailure, PolicyContext
from policies.events import CallEvent
from policies.host.settings import (
    PolicySettingsModel,
    UnfitSettingsError,
    read_policy_settings,
)

HOST = "callgate"
"""The distribution of the built-in policies."""
BUILT_IN = ("admin_override", "plan", "trial")
"""Names that no third-party policy can have."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
DEFAULT_TIMEOUT_SECONDS = 0.5
MAX_TIMEOUT_SECONDS = 2.0
MAX_ORDER = 10**6


@dataclass(frozen=True, slots=True)
class RegisteredPolicy:
    """A checked policy, with the plugin that registered it."""

    name: str
    order: int
    evaluate: Callable[[AccessRequest], object] = field(repr=False)
    plugin: str
    version: str
    on_failure: OnFailure = "abstain"
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    pure: bool = False
    veto: bool = False
    opt_in: bool = False
    applies_to: AppliesTo | None = None
    settings: PolicySettingsModel | None = None
    """Its model and what the environment gives; None: it has no settings."""
    start: Callable[[PolicyContext], object] | None = field(default=None, repr=False)
    stop: Callable[[], object] | None = field(default=None, repr=False)

    @property
    def is_lasting(self) -> bool:
        """Whether it may be neither off nor in shadow: the override of an admin always counts."""
        return self.veto and self.plugin == HOST

    @property
    def rank(self) -> tuple[bool, int, str]:
        """The place in the chain: vetoes first, then by order, ties by name."""
        return (not self.veto, self.order, self.name)


@dataclass(frozen=True, slots=True)
class RegisteredObserver:
    """A plugin's `on_call_event`. `name` is the name of its entry point."""

    name: str
    observe: Callable[[CallEvent], object] = field(repr=False)
    plugin: str
    version: str


class UnfitPolicyError(Exception):
    """A plugin or a registered object cannot be used; the message says what is wrong with it."""


class UnfitVariablesError(UnfitPolicyError):
    """The settings model of the policy `name` refuses what the environment gives."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


def fit_policy(
    candidate: object, plugin: str, version: str, environment: Mapping[str, str] | None = None
) -> RegisteredPolicy:
    """Check an object against the contract; raises `UnfitPolicyError` with what is wrong.

    Its settings are read from `environment`, by default that of the process.
    """
    name = getattr(candidate, "name", None)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UnfitPolicyError(f"name {name!r} is not a slug such as 'fair_use'")
    check_version(name, getattr(candidate, "api_version", API_VERSION))
    order = getattr(candidate, "order", None)
    if not isinstance(order, int) or isinstance(order, bool) or abs(order) > MAX_ORDER:
        raise UnfitPolicyError(f"{name}: order {order!r} is not a whole number within ±1,000,000")
    evaluate = getattr(candidate, "evaluate", None)
    if not callable(evaluate):
        raise UnfitPolicyError(f"{name}: evaluate is not callable")
    on_failure: OnFailure = getattr(candidate, "on_failure", "abstain")
    if on_failure not in ("abstain", "allow", "deny"):
        raise UnfitPolicyError(f"{name}: on_failure {on_failure!r} is not abstain, allow or deny")
    timeout = getattr(candidate, "timeout_seconds", DEFAULT_TIMEOUT_SECONDS)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise UnfitPolicyError(f"{name}: timeout_seconds {timeout!r} is not a number")
    if not 0 < timeout <= MAX_TIMEOUT_SECONDS:
        raise UnfitPolicyError(f"{name}: timeout_seconds must be over 0 and at most 2")
    flags = {flag: getattr(candidate, flag, False) for flag in ("pure", "veto", "opt_in")}
    for flag, value in flags.items():
        if not isinstance(value, bool):
            raise UnfitPolicyError(f"{name}: {flag} {value!r} is not True or False")
    return RegisteredPolicy(
        name=name,
        order=order,
        evaluate=evaluate,
        plugin=plugin,
        version=version,
        on_failure=on_failure,
        timeout_seconds=float(timeout),
        pure=flags["pure"],
        veto=flags["veto"],
        opt_in=flags["opt_in"],
        applies_to=fit_applies_to(name, getattr(candidate, "applies_to", None)),
        settings=fit_settings(name, getattr(candidate, "settings", None), environment),
        start=fit_function(name, "start", getattr(candidate, "start", None)),
        stop=fit_function(name, "stop", getattr(candidate, "stop", None)),
    )


def check_version(name: str, version: object) -> None:
    """Raise `UnfitPolicyError` for a policy that was written for another surface."""
    if version != API_VERSION or isinstance(version, bool):
        raise UnfitPolicyError(
            f"{name}: it was written for version {version!r} of the policy API, and this Callgate has "
            f"version {API_VERSION}: install versions that fit"
        )


def fit_applies_to(name: str, given: object) -> AppliesTo | None:
    """What it applies to; plain sets of texts only."""
    if given is None:
        return None
    if not isinstance(given, AppliesTo):
        raise UnfitPolicyError(f"{name}: applies_to is not an AppliesTo")
    for words in (given.call_types, given.messages):
        if not is_words(words):
            raise UnfitPolicyError(f"{name}: applies_to takes frozensets of texts, or None")
    return given


def is_words(value: object) -> bool:
    """Whether it is None or a frozenset of texts."""
    if value is None:
        return True
    return isinstance(value, frozenset) and all(isinstance(word, str) for word in value)


def fit_settings(
    name: str, model: object, environment: Mapping[str, str] | None
) -> PolicySettingsModel | None:
    """Its model, with the settings that the environment gives."""
    if model is None:
        return None
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise UnfitPolicyError(f"{name}: settings is not a pydantic model")
    try:
        return read_policy_settings(name, model, environment)
    except UnfitSettingsError as exc:
        raise UnfitVariablesError(name, str(exc)) from None


def fit_function(name: str, attribute: str, given: object) -> Callable[..., object] | None:
    if given is not None and not callable(given):
        raise UnfitPolicyError(f"{name}: {attribute} is not callable")
    return cast("Callable[..., object] | None", given)
