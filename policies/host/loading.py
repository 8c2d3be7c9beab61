"""Calls plugins' code at the start in threads with a deadline: an import that hangs must neither stop
the start nor make it deaf to signals.

Threads are daemons: what never returns is left behind, and ends with the process.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from policies.host.registration import UnfitPolicyError

LOAD_SECONDS = 10.0
"""How long a plugin may take to be imported and to register its policies."""

Result = TypeVar("Result")


def call_within(seconds: float, work: Callable[[], Result]) -> Result:
    """What `work` returns, or raises; `UnfitPolicyError` if it takes longer than `seconds`."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as exc:  # SystemExit of a plugin as well
            errors.append(exc)

    thread = threading.Thread(target=run, name="plugin", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        if isinstance(errors[0], KeyboardInterrupt):
            # The plugin's own: Ctrl-C interrupts the thread that waits here.
            raise UnfitPolicyError("it raised KeyboardInterrupt")
        raise errors[0]
    if not results:
        raise UnfitPolicyError(f"it was not imported and registered within {seconds:g} s")
    return results[0]


async def run_beside(work: Callable[[], Result]) -> Result:
    """What `work` returns or raises, from a thread of its own; a cancelled wait leaves it behind.

    The event loop's executor does not fit: the loop waits for its threads when it closes.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def finish(result: Result | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # of this type without an error

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as exc:
            error = exc
        try:
            loop.call_soon_threadsafe(finish, result, error)
        except RuntimeError:
            return  # the event loop is closed: the start was ended meanwhile

    threading.Thread(target=run, name="plugins", daemon=True).start()
    return await done


def readable(exc: BaseException) -> str:
    """A plugin's exception as one line of printable text, at most 300 characters."""
    if isinstance(exc, UnfitPolicyError):
        text = str(exc)
    else:
        try:
            text = f"{type(exc).__name__}: {exc}"
        except BaseException:  # even reading its message raises
            text = "an exception without a readable message"
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return text[:300]
