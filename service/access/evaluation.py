"""Asking one policy, whatever it does: in place, in a thread or as a task, never past its deadline.

Everything a plugin can do wrong ends as a `PolicyFailure`; only our own cancellation passes through.
"""

import asyncio
import inspect
import re
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from policies.contract import AccessRequest, Effect, Verdict
from service.access.plugins import RegisteredPolicy

REASON = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,99}")
SLOW_SECONDS = 0.02
SLOW_STRIKES = 3
MAX_STUCK = 8
BREAKER_FAILURES = 5
BREAKER_SECONDS = 10.0

log = structlog.get_logger()


class PolicyFailure(Exception):  # noqa: N818 - an outcome that is caught, not an error that escapes
    """A policy gave no usable answer; the text is a slug for the trace."""


@dataclass(slots=True)
class Evaluator:
    """One policy with what it has done so far: slow calls, failures in a row, stuck threads."""

    policy: RegisteredPolicy
    slow: int = 0
    failures: int = 0
    open_until: float = float("-inf")
    stuck: int = 0

    @property
    def in_place(self) -> bool:
        """Whether it may still be called on the event loop: it promised, and has kept the promise."""
        return self.policy.pure and self.slow < SLOW_STRIKES

    async def evaluate(self, request: AccessRequest, seconds: float) -> Verdict:
        """Ask the policy within `seconds`; raises `PolicyFailure`."""
        if time.monotonic() < self.open_until:
            raise PolicyFailure("breaker_open")
        try:
            verdict = checked(await self.ask(request, seconds))
        except PolicyFailure as exc:
            self.failures += 1
            if self.failures >= BREAKER_FAILURES:
                self.open_until = time.monotonic() + BREAKER_SECONDS
            log.warning(
                "policy.failed",
                policy=self.policy.name,
                plugin=self.policy.plugin,
                error=str(exc),
                failures=self.failures,
            )
            raise
        self.failures = 0
        return verdict

    async def ask(self, request: AccessRequest, seconds: float) -> object:
        deadline = time.monotonic() + min(seconds, self.policy.timeout_seconds)
        evaluate = self.policy.evaluate
        if inspect.iscoroutinefunction(evaluate):
            answer: object = call(evaluate, request)
        elif self.in_place:
            answer = self.ask_in_place(request)
        else:
            answer = await self.ask_in_thread(request, deadline)
        if inspect.isawaitable(answer):
            answer = await within(answer, deadline)
        return answer

    def ask_in_place(self, request: AccessRequest) -> object:
        began = time.perf_counter()
        try:
            return call(self.policy.evaluate, request)
        finally:
            if time.perf_counter() - began > SLOW_SECONDS:
                self.slow += 1
                log.warning("policy.slow", policy=self.policy.name, plugin=self.policy.plugin)

    async def ask_in_thread(self, request: AccessRequest, deadline: float) -> object:
        """A daemon thread: one that never returns must not keep the service from ending."""
        if self.stuck >= MAX_STUCK:
            raise PolicyFailure("busy")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()

        def settle(answer: object, failure: PolicyFailure | None) -> None:
            self.stuck -= 1
            if done.done():
                return
            if failure is not None:
                done.set_exception(failure)
            else:
                done.set_result(answer)

        def work() -> None:
            answer, failure = None, None
            try:
                answer = call(self.policy.evaluate, request)
            except PolicyFailure as exc:
                failure = exc
            try:
                loop.call_soon_threadsafe(settle, answer, failure)
            except RuntimeError:
                return  # the loop is closed: the service has ended meanwhile

        self.stuck += 1
        threading.Thread(target=work, name=f"policy-{self.policy.name}", daemon=True).start()
        await asyncio.wait({done}, timeout=max(deadline - time.monotonic(), 0))
        if not done.done():
            done.cancel()
            raise PolicyFailure("late")
        return done.result()


def call(evaluate: Callable[[AccessRequest], object], request: AccessRequest) -> object:
    """Call a plugin's function; whatever it raises, SystemExit too, is its own failure."""
    try:
        return evaluate(request)
    except BaseException as exc:
        raise PolicyFailure(f"raised:{type(exc).__name__}") from exc


async def within(answer: Awaitable[object], deadline: float) -> object:
    """Await in a task of its own, which is left behind when it will not end."""

    async def run() -> object:
        try:
            return await answer
        except asyncio.CancelledError:
            raise
        except BaseException as exc:
            raise PolicyFailure(f"raised:{type(exc).__name__}") from exc

    task = asyncio.create_task(run())
    try:
        await asyncio.wait({task}, timeout=max(deadline - time.monotonic(), 0))
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not task.done():
        task.cancel()
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        raise PolicyFailure("late")
    if task.cancelled():
        raise PolicyFailure("raised:CancelledError")
    return task.result()


def checked(answer: object) -> Verdict:
    """A verdict that can be stored and shown; anything else is a failure."""
    if not isinstance(answer, Verdict) or not isinstance(answer.effect, Effect):
        raise PolicyFailure("no_verdict")
    if answer.reason is None and answer.effect is Effect.ABSTAIN:
        return answer
    if not isinstance(answer.reason, str) or not REASON.fullmatch(answer.reason):
        raise PolicyFailure("bad_reason")
    return answer
