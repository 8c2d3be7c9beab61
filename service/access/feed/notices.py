"""What the notifications of one session of the feed say, until the directory has it. No I/O."""

import asyncio
from uuid import UUID

BEAT = "beat:"
POLICIES = "policies"
"""Names the choices about policies for all organizations."""

Waiting = asyncio.Future[None]


class FeedNotices:
    """Begins with a gap: what changed before the session listened is only found by a full read.

    `changed` are the organizations to read again, each with the requests that wait for it. `whole`:
    nothing but `changed` is missing in the directory. `policies`: the choices
    for all changed. `proof` is the monotonic instant before which every change has been notified.
    """

    def __init__(self) -> None:
        self.changed: dict[UUID, list[Waiting]] = {}
        self.policies = False
        self.woken = asyncio.Event()
        self.gap = asyncio.Event()
        self.gap.set()
        self.whole = False
        self.lost = asyncio.Event()
        self.beats: set[str] = set()
        self.beaten = asyncio.Event()
        self.proof: float | None = None

    def take(self, payload: str) -> None:
        """Note a notification: a beat, an organization that changed, the policies, or "" for all."""
        if payload.startswith(BEAT):
            self.beats.add(payload)
            self.beaten.set()
            return
        if payload == POLICIES:
            self.name_policies()
            return
        try:
            self.name(UUID(payload))
        except ValueError:
            self.whole = False
            self.gap.set()

    def name(self, organization_id: UUID, waiting: Waiting | None = None) -> None:
        """Note an organization that changed, and a request that waits until it is applied."""
        found = self.changed.setdefault(organization_id, [])
        if waiting is not None:
            found.append(waiting)
        self.woken.set()

    def name_policies(self) -> None:
        """Note that the choices for all organizations changed."""
        self.policies = True
        self.woken.set()

    def put_back(self, named: dict[UUID, list[Waiting]]) -> None:
        """Note again what could not be read."""
        for organization_id, waiting in named.items():
            self.changed.setdefault(organization_id, []).extend(waiting)
        self.woken.set()

    def lose(self) -> None:
        """Note that the connection ended."""
        self.lost.set()
        self.beaten.set()

    def prove(self, at: float) -> None:
        """Note that every change made before the monotonic instant `at` has been notified."""
        self.proof = at
        self.woken.set()

    def close_gap(self) -> None:
        """Note that a full read is in the directory, unless it came too early for another gap."""
        if not self.gap.is_set():
            self.whole = True
            self.woken.set()

    async def wait_for_beat(self, token: str, seconds: float) -> bool:
        """Whether our own beat arrives within `seconds`, before the connection ends.

        What was notified before it has been noted by then.
        """
        try:
            async with asyncio.timeout(seconds):
                while token not in self.beats and not self.lost.is_set():
                    self.beaten.clear()
                    await self.beaten.wait()
        except TimeoutError:
            pass
        arrived = token in self.beats
        self.beats.clear()
        return arrived
