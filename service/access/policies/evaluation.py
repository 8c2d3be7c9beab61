"""Evaluates one policy: runs it in the fitting way, checks its answer, keeps its breaker."""

import inspect
import re
import time

import structlog

from policies.contract import AccessRequest, Effect, Verdict
from service.access.policies.health import PolicyMetrics
from service.access.policies.isolation import (
    PolicyFailure,
    Tasks,
    Threads,
    call,
    call_in_place,
    raised,
)
from service.access.policies.registration import RegisteredPolicy

REASON = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,99}")
SLOW_SECONDS = 0.02
SLOW_STRIKES = 3
FORGIVEN = 0.01
"""How much of a strike each quick call removes: a busy machine can stop any function once."""
BREAKER_FAILURES = 5
BREAKER_SECONDS = 10.0
FULL_TIME = 0.9
"""The part of its timeout that a late policy must have had to be blamed for it."""

log = structlog.get_logger()


class Evaluator:
    """One policy with its state: slow calls, failures in a row, stuck threads and tasks."""

    def __init__(self, policy: RegisteredPolicy) -> None:
        self.policy = policy
        self.breaker_seconds = BREAKER_SECONDS
        self.slow = 0.0
        self.failures = 0
        self.open_until = float("-inf")
        self.threads = Threads(policy.name)
        self.tasks = Tasks()
        self.metrics = PolicyMetrics()
        self.is_async = inspect.iscoroutinefunction(policy.evaluate)

    @property
    def in_place(self) -> bool:
        """Whether it may run on the event loop: it declares itself pure and has not been slow."""
        return self.policy.pure and self.slow < SLOW_STRIKES

    @property
    def suspended(self) -> bool:
        """Whether the breaker is open: only probes reach the policy."""
        return self.failures >= BREAKER_FAILURES

    async def evaluate(self, request: AccessRequest, seconds: float) -> Verdict:
        """Ask the policy within `seconds`; raises `PolicyFailure`."""
        try:
            self.pass_breaker()
            if seconds <= 0 and not self.in_place:
                raise PolicyFailure("late", blamed=False)
            verdict = checked(await self.ask(request, seconds))
        except PolicyFailure as exc:
            self.note(exc, seconds)
            raise
        except Exception as exc:  # an answer that cannot even be inspected
            failure = raised(exc)
            self.note(failure, seconds)
            raise failure from exc
        self.failures = 0
        return verdict

    def pass_breaker(self) -> None:
        """Skip a policy that keeps failing, except for one probe at a time."""
        if self.suspended:
            now = time.monotonic()
            if now < self.open_until:
                raise PolicyFailure("breaker_open", blamed=False)
            self.open_until = now + self.breaker_seconds

    def note(self, failure: PolicyFailure, seconds: float) -> None:
        """Log a failure and count it, unless the breaker or the chain's deadline caused it."""
        slug = str(failure)
        if slug == "breaker_open":
            return
        shortened = slug == "late" and seconds < self.policy.timeout_seconds * FULL_TIME
        if failure.blamed and not shortened:
            self.failures += 1
        log.warning(
            "policy.failed",
            policy=self.policy.name,
            plugin=self.policy.plugin,
            error=slug,
            failures=self.failures,
        )
        if failure.blamed and self.failures == BREAKER_FAILURES:
            self.open_until = time.monotonic() + self.breaker_seconds
            log.error(
                "policy.suspended",
                policy=self.policy.name,
                plugin=self.policy.plugin,
                seconds=self.breaker_seconds,
            )

    async def ask(self, request: AccessRequest, seconds: float) -> object:
        deadline = time.monotonic() + min(seconds, self.policy.timeout_seconds)
        if self.is_async:
            answer = call(self.policy.evaluate, request)
        elif self.in_place:
            answer = self.ask_in_place(request)
        else:
            answer = await self.threads.run(self.policy.evaluate, request, deadline)
        if type(answer) is not Verdict and inspect.isawaitable(answer):
            answer = await self.tasks.run(answer, deadline)
        return answer

    def ask_in_place(self, request: AccessRequest) -> object:
        began = time.perf_counter()
        try:
            return call_in_place(self.policy.evaluate, request)
        finally:
            if time.perf_counter() - began > SLOW_SECONDS:
                self.slow += 1
                log.warning(
                    "policy.slow",
                    policy=self.policy.name,
                    plugin=self.policy.plugin,
                    in_place=self.in_place,
                )
            elif self.slow:
                self.slow = max(self.slow - FORGIVEN, 0.0)


def checked(answer: object) -> Verdict:
    """The answer as a verdict that can be stored; raises `PolicyFailure` for anything else.

    Only the contract's own types pass: a subclass could answer differently each time it is read.
    """
    if type(answer) is not Verdict or type(answer.effect) is not Effect:
        raise PolicyFailure("no_verdict")
    reason = answer.reason
    if reason is None and answer.effect is Effect.ABSTAIN:
        return answer
    if not isinstance(reason, str) or not REASON.fullmatch(reason):
        raise PolicyFailure("bad_reason")
    return answer if type(reason) is str else Verdict(answer.effect, str.__str__(reason))
