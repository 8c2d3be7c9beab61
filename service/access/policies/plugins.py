"""Loads policies and observers, plugin by plugin, so that a broken plugin breaks only itself."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import Distribution, EntryPoint, distributions

import structlog

from policies import hookspecs
from policies.events import CallEvent
from policies.host.hooks import call_hooks
from policies.host.loading import LOAD_SECONDS, call_within, readable
from policies.host.registration import (
    BUILT_IN,
    HOST,
    RegisteredObserver,
    RegisteredPolicy,
    UnfitPolicyError,
    UnfitVariablesError,
    fit_policy,
)
from policies.host.replaced_parts import list_parts, put_back
from policies.host.settings import list_unknown
from service.settings import PolicySettings

Found = RegisteredPolicy | RegisteredObserver | BaseException
"""What a plugin brings, or why a part of it does not fit."""

MOST_NAMED = 5
"""How many replaced parts a problem names."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """Why a plugin, or one policy of it, is not in the chain."""

    plugin: str
    version: str
    message: str


@dataclass(frozen=True, slots=True)
class LoadedPolicies:
    """The policies in order, the observers, and the problems of those that are missing."""

    policies: tuple[RegisteredPolicy, ...]
    problems: tuple[PluginProblem, ...]
    missing: tuple[str, ...] = ()
    """Required policies that are not among them."""
    required: tuple[str, ...] = ()
    observers: tuple[RegisteredObserver, ...] = ()
    unfit: tuple[str, ...] = ()
    """What is wrong with variables of the built-in policies; the start fails, as with any setting."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point of the group, and its distribution."""

    distribution: str
    version: str
    entry: EntryPoint

    @property
    def is_own(self) -> bool:
        """Whether it comes with Callgate."""
        return canonical(self.distribution) == HOST


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """What an operator loads: `off` are names to skip, `required` names without which the start fails,
    `third_party` False only the built-in policies."""

    off: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    third_party: bool = True

    @classmethod
    def of(cls, settings: PolicySettings) -> "PolicyChoice":
        """As the settings choose."""
        return cls(
            settings.callgate_policies_off,
            settings.callgate_policies_required,
            settings.callgate_third_party_policies,
        )


ALL = PolicyChoice()


def load_policies(choice: PolicyChoice = ALL, *, seconds: float = LOAD_SECONDS) -> LoadedPolicies:
    """Load every installed plugin, for at most `seconds` each, and inspect what it registers.
    Never raises for a plugin.

    Callgate's own plugins come first and the names of the built-in policies are reserved for them,
    so that no third-party plugin can replace `admin_override`. Among third-party plugins the first
    keeps a name, in the order of the distributions' names. Ctrl-C still stops a start.
    """
    problems: list[PluginProblem] = []
    policies: dict[str, RegisteredPolicy] = {}
    observers: dict[str, RegisteredObserver] = {}
    refusing: dict[str, tuple[Plugin, str]] = {}
    for plugin in sorted(find_plugins(problems), key=precedence):
        if not (choice.third_party or plugin.is_own):
            continue
        if not plugin.is_own:
            log.info("plugin.loading", plugin=plugin.distribution, entry=plugin.entry.value)
        for one in inspect_within(seconds, plugin):
            try:
                add(one, policies, observers)
            except UnfitVariablesError as exc:
                refusing[exc.name] = plugin, str(exc)
            except BaseException as exc:
                message = f"{plugin.entry.value}: {readable(exc)}"
                problems.append(PluginProblem(plugin.distribution, plugin.version, message))
    unfit = {name: one for name, one in refusing.items() if name not in choice.off}
    problems.extend(PluginProblem(by.distribution, by.version, said) for by, said in unfit.values())
    problems.extend(
        PluginProblem(HOST, "", f"the built-in policy {name} is missing: install callgate again")
        for name in BUILT_IN
        if name not in policies
    )
    problems.extend(
        PluginProblem("environment", "", f"{name} fits no setting of a loaded policy")
        for name in list_unknown(
            {
                one.name: None if one.settings is None else one.settings.model
                for one in policies.values()
            },
            refusing,
        )
    )
    problems.extend(
        PluginProblem("environment", "", f"CALLGATE_POLICIES_OFF: no plugin registers {name}")
        for name in choice.off
        if choice.third_party and name not in {*policies, *observers, *refusing}
    )
    chosen = [policy for policy in policies.values() if policy.name not in choice.off]
    watching = [observer for observer in observers.values() if observer.name not in choice.off]
    names = {one.name for one in chosen} | {one.name for one in watching}
    return LoadedPolicies(
        tuple(sorted(chosen, key=lambda policy: policy.rank)),
        tuple(problems),
        tuple(name for name in choice.required if name not in names),
        choice.required,
        tuple(watching),
        tuple(said for by, said in unfit.values() if by.is_own),
    )


def inspect_within(seconds: float, plugin: Plugin) -> list[Found]:
    """What a plugin brings, or why it could not be loaded in time, or was refused for what it does to
    others."""
    parts = [] if plugin.is_own else list_parts()
    try:
        found = call_within(seconds, partial(inspect_plugin, plugin))
    except KeyboardInterrupt:
        raise
    except BaseException as exc:
        found = [exc]
    if replaced := put_back(parts):
        names = ", ".join(replaced[:MOST_NAMED])
        return [UnfitPolicyError(f"it replaced parts of Callgate, which were put back: {names}")]
    return found


def add(
    one: Found,
    policies: dict[str, RegisteredPolicy],
    observers: dict[str, RegisteredObserver],
) -> None:
    """Take up what a plugin brings. Raises what was wrong with it; its name may be taken."""
    if isinstance(one, BaseException):
        raise one
    if isinstance(one, RegisteredPolicy):
        check_name_is_free(one, policies)
        policies[one.name] = one
    elif one.name in observers:
        owner = observers[one.name].plugin
        raise UnfitPolicyError(f"an observer of the entry point {one.name!r} comes with {owner}")
    else:
        observers[one.name] = one


def inspect_plugin(plugin: Plugin) -> list[Found]:
    """The policies of a plugin and its observer, each checked, or why one does not fit. Runs its
    code."""
    found: list[Found] = []
    candidates, observe = call_plugin(plugin)
    if observe is not None:
        name = plugin.entry.name
        found.append(RegisteredObserver(name, observe, plugin.distribution, plugin.version))
    for candidate in candidates:
        try:
            found.append(fit_policy(candidate, plugin.distribution, plugin.version))
        except BaseException as exc:
            found.append(exc)
    return found


def find_plugins(problems: list[PluginProblem]) -> Iterator[Plugin]:
    """The group's entry points, distribution by distribution.

    `importlib.metadata.entry_points` would raise for all if one distribution's files are damaged.
    Of two copies of a distribution the first on the path wins, as for imports.
    """
    seen: set[str] = set()
    for found in distributions():
        try:
            declared = declared_entries(found)
            if not declared:
                continue
            name, version = canonical(found.name), str(found.version)
        except Exception:
            place = getattr(getattr(found, "_path", None), "name", "unknown")
            problems.append(PluginProblem(place, "", "its metadata is damaged: install it again"))
            continue
        if name not in seen:
            seen.add(name)
            yield from (Plugin(found.name, version, entry) for entry in declared)


def declared_entries(found: Distribution) -> list[EntryPoint]:
    """A distribution's entry points in our group; its other metadata is read only if it has any."""
    if f"[{hookspecs.GROUP}]" not in (found.read_text("entry_points.txt") or ""):
        return []
    return [entry for entry in found.entry_points if entry.group == hookspecs.GROUP]


def precedence(plugin: Plugin) -> tuple[bool, str, str]:
    return (
        not plugin.is_own,
        canonical(plugin.distribution),
        plugin.entry.name,
    )


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def call_plugin(plugin: Plugin) -> tuple[list[object], Callable[[CallEvent], object] | None]:
    """Import one plugin and call its hooks, isolated from the others."""
    return call_hooks(plugin.entry.load(), plugin.entry.name, may_be_empty=plugin.is_own)


def check_name_is_free(policy: RegisteredPolicy, taken: dict[str, RegisteredPolicy]) -> None:
    """Raise `UnfitPolicyError` if the name is taken or reserved for a built-in policy."""
    if policy.name in taken:
        owner = taken[policy.name].plugin
        raise UnfitPolicyError(f"the name {policy.name!r} is taken by {owner}")
    if policy.name in BUILT_IN and canonical(policy.plugin) != HOST:
        raise UnfitPolicyError(f"the name {policy.name!r} is reserved for the built-in policy")
