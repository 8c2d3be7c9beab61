"""Work on large documents runs beside the event loop, in threads of its own: neither look-ups nor the
spool wait for it, and it waits for none of them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

INLINE_BYTES = 16 * 1024
"""Work on so little takes well under 5 ms: less than the way to a thread and back is worth."""

Given = ParamSpec("Given")
Result = TypeVar("Result")

threads = ThreadPoolExecutor(2, thread_name_prefix="documents")


async def off_loop(
    size: int, work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
) -> Result:
    """Run work on a document of `size` bytes; raises what it raises.

    For Python code, which lets the loop in every few milliseconds. A call into C that holds the
    interpreter (msgspec, orjson) blocks the loop from any thread.
    """
    if size <= INLINE_BYTES:
        return work(*args, **kwargs)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(threads, lambda: work(*args, **kwargs))
