"""Runs one policy in the fitting way and checks its answer: in place, in a thread, or as a task."""

import contextvars
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeGuard

from policies.contract import AccessRequest, Verdict
from policies.host.isolation import Beside, PolicyFailure, call, raised
from policies.host.registration import RegisteredPolicy
from policies.host.verdicts import checked

SLOW_SECONDS = 0.02
"""The most that a policy may take on the event loop."""
SLOW_STRIKES = 3
"""How many slow calls move a policy that declares itself pure off the event loop."""
BLOCKED_SECONDS = 0.2
"""How long the event loop may stand still until what blocks it is suspended."""
FULL_TIME = 0.9
"""The part of its timeout that a late policy must have had to be blamed for it."""


class PolicyRunner:
    """Runs one policy. What the policy gets wrong raises `PolicyFailure`, with a slug for the trace."""

    def __init__(self, policy: RegisteredPolicy) -> None:
        self.policy = policy
        self.beside = Beside(policy.name)
        self.is_async = inspect.iscoroutinefunction(policy.evaluate)
        self.in_place = policy.pure and not self.is_async
        """Whether it runs on the event loop: it declares itself pure and has not been slow."""

    def skips(self, request: AccessRequest) -> str | None:
        """Why it is not asked about a request, as a slug; None: it is asked."""
        applies, call = self.policy.applies_to, request.call
        if applies is None:
            return None
        call_type = "inboundPhoneCall" if request.purpose == "ring_gate" else call and call.type
        if applies.call_types is not None and call_type and call_type not in applies.call_types:
            return "not_applicable"
        message = call and call.message
        if applies.messages is not None and message and message not in applies.messages:
            return "not_applicable"
        return None

    def run_in_place(self, request: AccessRequest, context: contextvars.Context) -> Verdict:
        """Its verdict, on the event loop; `context` keeps it away from the caller's variables.

        Raises `AwaitableError` if the answer is to be awaited: from then on it is asked as such.
        """
        given = context.run(call, self.policy.evaluate, request)
        if type(given) is Verdict:
            return checked(given)
        if is_awaitable(given):
            self.is_async, self.in_place = True, False
            raise AwaitableError(given)
        raise PolicyFailure("no_verdict")

    async def run_beside(
        self,
        request: AccessRequest,
        ends_at: float,
        given: object = None,
        *,
        probing: bool = False,
        waited: Callable[[float], None] | None = None,
    ) -> Verdict:
        """Its verdict, from a thread or a task, until `ends_at` on the monotonic clock at the latest.

        Its own time begins when it runs: waiting for a free thread, in milliseconds, goes to `waited`.
        `given` is what it already returned, to be awaited.
        """
        beside, timeout = self.beside, self.policy.timeout_seconds
        waited_from = time.monotonic()
        placed = False
        if given is None and not self.is_async:
            placed = await beside.take_thread(ends_at, probing=probing)
        else:
            beside.check(probing=probing)
        began = time.monotonic()
        if waited is not None:
            waited((began - waited_from) * 1000)
        seconds = min(timeout, ends_at - began)
        try:
            given = await self.start(request, given, seconds, placed=placed)
            if type(given) is not Verdict and is_awaitable(given):
                given = await beside.run_task(given, seconds - (time.monotonic() - began))
        except PolicyFailure as exc:
            # Far past its time, it was the event loop that stood still.
            overran = time.monotonic() - began - seconds > BLOCKED_SECONDS
            if str(exc) == "late" and (overran or seconds < timeout * FULL_TIME):
                raise PolicyFailure("late", blamed=False) from None
            raise
        return checked(given)

    async def start(
        self, request: AccessRequest, given: object, seconds: float, *, placed: bool
    ) -> object:
        """What it returns: from a thread, or an awaitable."""
        if given is not None:
            return given
        if self.is_async:
            return call(self.policy.evaluate, request)
        if seconds <= 0:
            if placed:
                self.beside.free.release()
            raise PolicyFailure("not_reached", blamed=False)
        return await self.beside.run_thread(self.policy.evaluate, request, seconds, placed=placed)


def is_awaitable(given: object) -> TypeGuard[Awaitable[object]]:
    """Whether it is to be awaited; code of the policy may run, and raise."""
    try:
        return inspect.isawaitable(given)
    except BaseException as exc:
        raise raised(exc) from exc


class AwaitableError(Exception):
    """A policy that declares itself pure returned `given`, which is to be awaited.

    `probing`: it was asked as the probe of its suspension.
    """

    def __init__(self, given: object, *, probing: bool = False) -> None:
        super().__init__("The policy is not a plain function.")
        self.given = given
        self.probing = probing
