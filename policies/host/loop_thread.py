"""One event loop in a thread, for all that a test asks: connections of a policy outlive a single ask."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class LoopThread:
    """An event loop that runs until the process ends; its thread is started by the first use."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.lock = threading.Lock()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What the coroutine returns or raises. Blocks; works beside a running event loop as well."""
        with self.lock:
            if self.loop is None:
                self.loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self.loop.run_forever, name="policy-tests", daemon=True
                ).start()
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


TESTS = LoopThread()
