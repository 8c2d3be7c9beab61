"""Runs third-party code in place, in a thread or as a task, and never past its deadline.

Every failure of it becomes a `PolicyFailure`; only our own cancellation passes through.
"""

import asyncio
import inspect
import re
import threading
import time
from collections.abc import Awaitable, Callable

from policies.contract import AccessRequest

Evaluate = Callable[[AccessRequest], object]

MAX_THREADS = 8
MAX_STUCK = 8
"""Evaluations of one policy that run on past their deadline: with so many it is busy."""
MAX_PROBES = 8
"""How many more a suspended policy may leave behind, one a probe."""
CLASS_NAME = re.compile(r"[A-Za-z_]\w{0,59}", re.ASCII)


LEFT_BEHIND: set[asyncio.Task[object]] = set()
"""Tasks that run on past their deadline. They are kept: when Python drops one whose code catches
everything, closing it may never return."""


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


class Beside:
    """Evaluations of one policy beside the event loop's other work: plain functions in threads of its
    own, awaitables as tasks. What runs on past its deadline is stuck, thread or task alike.

    Threads are daemons: one that never returns must not block a shutdown.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.free = asyncio.Semaphore(MAX_THREADS)
        self.stuck = 0

    def check(self, *, probing: bool) -> None:
        """Raise `PolicyFailure` while too many evaluations are stuck; a probe may leave one more."""
        if self.stuck >= MAX_STUCK + (MAX_PROBES if probing else 0):
            raise PolicyFailure("busy")

    async def take_thread(self, ends_at: float, *, probing: bool) -> bool:
        """Wait for a free thread, at most until `ends_at` on the monotonic clock. A probe does not wait.

        True if a place was taken that is to be given back. Raises `PolicyFailure`.
        """
        self.check(probing=probing)
        if probing and self.free.locked():
            return False
        try:
            async with asyncio.timeout(max(ends_at - time.monotonic(), 0)):
                await self.free.acquire()
        except TimeoutError:
            raise PolicyFailure("not_reached", blamed=False) from None
        return True

    async def run_thread(
        self, evaluate: Evaluate, request: AccessRequest, seconds: float, *, placed: bool
    ) -> object:
        """Call it in a thread, for so many seconds. `placed`: its place is given back. Raises
        `PolicyFailure`."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()
        timed_out = False

        def finish(answer: object, failure: PolicyFailure | None) -> None:
            if placed:
                self.free.release()
            if timed_out:
                self.stuck -= 1
                close(answer)
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
            if placed:
                self.free.release()
            raise PolicyFailure("not_reached", blamed=False) from exc
        try:
            await asyncio.wait({done}, timeout=max(seconds, 0))
        finally:
            if not done.done():
                timed_out = True
                self.stuck += 1
        if timed_out:
            raise PolicyFailure("late")
        return done.result()

    async def run_task(self, answer: Awaitable[object], seconds: float) -> object:
        """Await it in a task of its own, left behind if it does not end. Raises `PolicyFailure`."""
        if seconds <= 0:
            close(answer)
            raise PolicyFailure("late")
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
        """Leave it behind; it is stuck until it ends."""

        def count_out(_ended: asyncio.Task[object]) -> None:
            self.stuck -= 1

        self.stuck += 1
        task.add_done_callback(count_out)
        leave_behind(task)


def leave_behind(task: asyncio.Task[object]) -> None:
    """Cancel and unregister it: a closing event loop waits for every task it knows."""

    def forget(ended: asyncio.Task[object]) -> None:
        LEFT_BEHIND.discard(ended)
        if not ended.cancelled():
            ended.exception()

    LEFT_BEHIND.add(task)
    task.add_done_callback(forget)
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
