"""Finding the policies: entry points one by one, so that a broken plugin breaks only itself.

pluggy is the registry, not the evaluator: it never awaits, and one raising hook stops the rest.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

import pluggy

from policies import hookspecs
from policies.contract import AccessRequest, OnFailure

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
HOST = "callgate"
BUILT_IN = ("admin_override", "plan", "trial")
DEFAULT_TIMEOUT_SECONDS = 0.5
MAX_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RegisteredPolicy:
    """A policy that passed inspection, with where it comes from."""

    name: str
    order: int
    evaluate: Callable[[AccessRequest], object] = field(repr=False)
    plugin: str = HOST
    version: str = ""
    on_failure: OnFailure = "abstain"
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    pure: bool = False
    veto: bool = False

    @property
    def rank(self) -> tuple[bool, int, str]:
        """The place in the chain: vetoes first, then by order, ties by name."""
        return (not self.veto, self.order, self.name)


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """What kept a plugin, or one policy of it, out of the chain."""

    plugin: str
    version: str
    message: str


@dataclass(frozen=True, slots=True)
class LoadedPolicies:
    """The chain in order, and what is missing from it."""

    policies: tuple[RegisteredPolicy, ...]
    problems: tuple[PluginProblem, ...]


class UnfitPolicyError(Exception):
    """A registered object is no policy; the message says what is wrong with it."""


def load_policies() -> LoadedPolicies:
    """Load every installed plugin and inspect what it registers. Never raises for a plugin."""
    policies: dict[str, RegisteredPolicy] = {}
    problems: list[PluginProblem] = []
    # The host's own come first, so that no stranger can take the place of `admin_override`.
    found = sorted(
        entry_points(group=hookspecs.GROUP),
        key=lambda e: (origin(e)[0] != HOST, *origin(e), e.name),
    )
    for entry in found:
        plugin, version = origin(entry)
        try:
            registered = register(entry)
        except BaseException as exc:
            problems.append(
                PluginProblem(plugin, version, f"{entry.value}: {type(exc).__name__}: {exc}"[:300])
            )
            continue
        for candidate in registered:
            try:
                policy = inspect(candidate, plugin, version)
                if policy.name in policies:
                    taken = policies[policy.name].plugin
                    raise UnfitPolicyError(f"the name {policy.name!r} is taken by {taken}")
            except Exception as exc:
                problems.append(PluginProblem(plugin, version, f"{entry.value}: {exc}"[:300]))
            else:
                policies[policy.name] = policy
    problems.extend(
        PluginProblem(HOST, "", f"the built-in policy {name} is missing: install callgate again")
        for name in BUILT_IN
        if name not in policies
    )
    return LoadedPolicies(
        tuple(sorted(policies.values(), key=lambda policy: policy.rank)), tuple(problems)
    )


def origin(entry: EntryPoint) -> tuple[str, str]:
    """The distribution that an entry point belongs to, and its version."""
    if entry.dist is None:
        return "unknown", ""
    return entry.dist.name, entry.dist.version


def register(entry: EntryPoint) -> list[object]:
    """Import one plugin and call its hook, apart from all others."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(entry.load(), name=entry.name)
    manager.check_pending()
    given = [item for result in manager.hook.register_access_policies() for item in result]
    if not given:
        raise UnfitPolicyError("register_access_policies returned no policy")
    return given


def inspect(candidate: object, plugin: str, version: str) -> RegisteredPolicy:
    """Check an object against the contract; raises `UnfitPolicyError` with what is wrong."""
    name = getattr(candidate, "name", None)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UnfitPolicyError(f"name {name!r} is not a slug such as 'fair_use'")
    order = getattr(candidate, "order", None)
    if not isinstance(order, int) or isinstance(order, bool) or abs(order) > 10**6:
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
    return RegisteredPolicy(
        name=name,
        order=order,
        evaluate=evaluate,
        plugin=plugin,
        version=version,
        on_failure=on_failure,
        timeout_seconds=float(timeout),
        pure=getattr(candidate, "pure", False) is True,
        veto=getattr(candidate, "veto", False) is True,
    )
