"""Work of unproved senders enters the event loop a few pieces a round, so that a flood of it delays
proved senders by milliseconds and not by the length of the flood."""

import asyncio
from collections import deque
from collections.abc import Callable

URGENT_A_ROUND = 6
OTHERS_A_ROUND = 2

Work = Callable[[], None]


class Turnstile:
    """Runs work at once while a round of the loop has room, and queues the rest in order.

    Urgent work (what claims to be a webhook) has places of its own.
    """

    def __init__(
        self, urgent_a_round: int = URGENT_A_ROUND, others_a_round: int = OTHERS_A_ROUND
    ) -> None:
        self.places = {True: urgent_a_round, False: others_a_round}
        self.left = dict(self.places)
        self.queues: dict[bool, deque[Work]] = {True: deque(), False: deque()}
        self.turning = False

    @property
    def waiting(self) -> int:
        """Pieces of work in the queues."""
        return sum(map(len, self.queues.values()))

    def enter(self, work: Work, *, urgent: bool) -> None:
        """Run a piece of work now or in a later round."""
        if not self.turning:
            self.turning = True
            asyncio.get_running_loop().call_soon(self.turn)
        if self.left[urgent] > 0 and not self.queues[urgent]:
            self.left[urgent] -= 1
            work()
        else:
            self.queues[urgent].append(work)

    async def wait(self, *, urgent: bool) -> None:
        """Wait for a place."""
        place = asyncio.get_running_loop().create_future()

        def arrive() -> None:
            if not place.done():
                place.set_result(None)

        self.enter(arrive, urgent=urgent)
        await place

    def turn(self) -> None:
        """Begin a round: the loop has looked after everything else since the last one."""
        self.left = dict(self.places)
        for urgent, queue in self.queues.items():
            while queue and self.left[urgent] > 0:
                self.left[urgent] -= 1
                queue.popleft()()
        self.turning = self.left != self.places
        if self.turning:
            asyncio.get_running_loop().call_soon(self.turn)
