"""Calls the hooks of one plugin. Runs its code.

pluggy is the registry, not the evaluator: it never awaits, and one raising hook stops the rest.
"""

import inspect
from collections.abc import Callable
from functools import partial
from itertools import islice

import pluggy

from policies import hookspecs
from policies.events import CallEvent
from policies.host.registration import UnfitPolicyError

MAX_POLICIES = 100
"""The most of one plugin: a generator that never ends must not block the start."""


def call_hooks(
    plugin: object, name: str, *, may_be_empty: bool = False
) -> tuple[list[object], Callable[[CallEvent], object] | None]:
    """The policies that an imported plugin's hook returns, not yet checked, and its observer.

    Raises `UnfitPolicyError` for a plugin that has neither, unless it `may_be_empty`.
    """
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name=name)
    manager.check_pending()
    observed = manager.hook.on_call_event
    observe = None
    if implementations := observed.get_hookimpls():
        if any(inspect.iscoroutinefunction(one.function) for one in implementations):
            raise UnfitPolicyError("on_call_event must be a plain function, not async")
        observe = partial(call_hook, observed)
    hook = manager.hook.register_access_policies
    if hook.get_hookimpls():
        return list_policies(hook, least=observe is None and not may_be_empty), observe
    if observe is None:
        raise UnfitPolicyError(
            "it has no register_access_policies marked with @hookimpl, and no on_call_event"
        )
    return [], observe


def call_hook(hook: pluggy.HookCaller, event: CallEvent) -> object:
    return hook(event=event)


def list_policies(hook: pluggy.HookCaller, *, least: bool) -> list[object]:
    """What a plugin's hook returns; `least`: it must return a policy. Raises `UnfitPolicyError`."""
    given: list[object] = []
    for result in hook():
        if inspect.iscoroutine(result):
            result.close()
            raise UnfitPolicyError("register_access_policies must be a plain function, not async")
        given.extend(islice(result, MAX_POLICIES + 1))
    if least and not given:
        raise UnfitPolicyError("register_access_policies returned no policy")
    if len(given) > MAX_POLICIES:
        raise UnfitPolicyError(f"register_access_policies returned over {MAX_POLICIES} policies")
    return given
