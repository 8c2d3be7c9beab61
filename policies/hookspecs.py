"""The pluggy markers and the one hook that registers every policy, built-in or not."""

from collections.abc import Iterable

import pluggy

from policies.contract import AccessPolicy

GROUP = "callgate"
"""The pluggy project and the entry-point group."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def register_access_policies() -> Iterable[AccessPolicy]:  # type: ignore[empty-body]
    """Return this plugin's policies. Called once, at start, before anything connects.

    Return objects only: no I/O, no threads. The host calls `evaluate` itself, in its own order.
    """
