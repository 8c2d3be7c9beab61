"""The pluggy markers and the hooks: one registers every policy, built-in or not; one observes calls."""

from collections.abc import Iterable

import pluggy

from policies.contract import AccessPolicy
from policies.events import CallEvent

GROUP = "callgate"
"""The pluggy project and the entry-point group."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def register_access_policies() -> Iterable[AccessPolicy]:  # type: ignore[empty-body]
    """Return this plugin's policies. Called once, at start, before anything connects.

    Return objects only: no I/O, no threads. The host calls `evaluate` itself, in its own order.
    """


@hookspec
def on_call_event(event: CallEvent) -> None:
    """Observe what happened to a call: a plain function, called after the fact in a thread of its own.

    It changes and delays nothing: what it returns is ignored, and what it raises is counted.
    """
