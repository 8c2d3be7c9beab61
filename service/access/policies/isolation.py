"""Runs third-party code in place, in a thread or as a task, and never past its deadline.

Every failure of it becomes a `PolicyFailure`; only our own cancellation passes through.
"""

import asyncio
import contextvars
import inspect
import re
import threading
import time
from collections.abc import Awaitable, Callable

from policies.contract import AccessRequest

Evaluate = Callable[[AccessRequest], object]

MAX_THREADS = 8
MAX_ABANDONED = 8
CLASS_NAME = re.compile(r"[A-Za-z_]\w{0,59}", re.ASCII)


class PolicyFailure(Exception):  # noqa: N818 - an outcome that is caught, not an error that escapes
    """A policy gave no usable answer; the text is a slug for the trace.

    `blamed` is False where the policy is not to blame: it never ran, or had less than its time.
    """

    def __init__(self, slug: str, *, blamed: bool = True) -> None:
        super().__init__(slug)
        self.blamed = blamed


def raised(exc: BaseException) -> PolicyFailure:
    """The failure of a policy that raised. It names the class only: a message may hold call data."""
    try:
        name = type(exc).__name__
        known = CLASS_NAME.fullmatch(name) is not None
    except BaseException:  # a metaclass can do anything
        known = False
    return PolicyFailure(f"raised:{name}" if known else "raised:unnamed")


def call(evaluate: Evaluate, request: AccessRequest) -> object:
    """Call a plugin's function; anything it raises, SystemExit too, is its failure."""
    try:
        return evaluate(request)
    except BaseException as exc:
        raise raised(exc) from exc


def call_in_place(evaluate: Evaluate, request: AccessRequest) -> object:
    """Call it on the event loop in a context of its own: it cannot change our log's bindings."""
    return contextvars.copy_context().run(call, evaluate, request)


class Threads:
    """The threads of one policy. Daemons: one that never returns must not block a shutdown."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.free = asyncio.Semaphore(MAX_THREADS)
        self.overdue = 0

    async def run(self, evaluate: Evaluate, request: AccessRequest, deadline: float) -> object:
        """Call it in a thread, waiting for a free one if necessary; raises `PolicyFailure`."""
        await self.take(deadline)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()
        timed_out = False

        def finish(answer: object, failure: PolicyFailure | None) -> None:
            self.free.release()
            if timed_out:
                self.overdue -= 1
            elif failure is not None:
                done.set_exception(failure)
            else:
                done.set_result(answer)

        def work() -> None:
            answer, failure = None, None
            try:
                answer = call(evaluate, request)
            except PolicyFailure as exc:
                failure = exc
            try:
                loop.call_soon_threadsafe(finish, answer, failure)
            except RuntimeError:
                close(answer)  # the event loop is closed: the service has stopped meanwhile

        try:
            threading.Thread(target=work, name=f"policy-{self.name}", daemon=True).start()
        except RuntimeError as exc:
            self.free.release()
            raise PolicyFailure("busy", blamed=False) from exc
        try:
            await asyncio.wait({done}, timeout=max(deadline - time.monotonic(), 0))
        finally:
            if not done.done():
                timed_out = True
                self.overdue += 1
        if timed_out:
            raise PolicyFailure("late")
        return done.result()

    async def take(self, deadline: float) -> None:
        """Wait for a free thread, unless all are past their deadline."""
        if self.overdue < MAX_THREADS:
            try:
                async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
                    await self.free.acquire()
            except TimeoutError:
                pass
            else:
                return
        raise PolicyFailure("busy", blamed=False)


class Tasks:
    """The tasks of one policy, and how many still run although they were cancelled."""

    def __init__(self) -> None:
        self.abandoned = 0

    async def run(self, answer: Awaitable[object], deadline: float) -> object:
        """Await it in a task of its own, left behind if it will not end; raises `PolicyFailure`."""
        seconds = deadline - time.monotonic()
        if seconds <= 0 or self.abandoned >= MAX_ABANDONED:
            close(answer)
            raise PolicyFailure("late") if seconds <= 0 else PolicyFailure("busy", blamed=False)
        task = asyncio.create_task(contained(answer))
        task.add_done_callback(lambda _ended: close(answer))
        try:
            await asyncio.wait({task}, timeout=seconds)
        finally:
            if not task.done():
                self.abandon(task)
        if not task.done():
            raise PolicyFailure("late")
        if task.cancelled():
            raise PolicyFailure("raised:CancelledError")
        failure = task.exception()
        if failure is not None:
            raise failure if isinstance(failure, PolicyFailure) else raised(failure)
        return task.result()

    def abandon(self, task: asyncio.Task[object]) -> None:
        """Cancel and unregister it: a closing event loop waits for every task it knows."""

        def count_out(ended: asyncio.Task[object]) -> None:
            self.abandoned -= 1
            if not ended.cancelled():
                ended.exception()

        self.abandoned += 1
        task.add_done_callback(count_out)
        task.cancel()
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - as gather does
        asyncio.tasks._unregister_task(task)  # noqa: SLF001 - documented for third-party event loops


async def contained(answer: Awaitable[object]) -> object:
    """Await it; asyncio would let SystemExit and KeyboardInterrupt stop the event loop."""
    try:
        return await answer
    except (SystemExit, KeyboardInterrupt) as exc:
        raise raised(exc) from exc


def close(answer: object) -> None:
    """Close a coroutine that may never have started, so that Python does not warn."""
    if inspect.iscoroutine(answer):
        try:
            answer.close()
        except BaseException:  # even closing it failed
            return
