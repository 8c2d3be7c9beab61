"""The probe: a small request where no other shows whether Vapi answers, and accepts the key."""

from dataclasses import dataclass

from service.background import BackgroundLoop
from service.reconcile.key_guard import KeyGuard
from service.store.pool import UNAVAILABLE
from service.vapi.client import VapiClient
from service.vapi.errors import VapiError, VapiUnauthorizedError

SHORTEST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class VapiProbe:
    """Makes a small request a few seconds after a request failed, and after an idle minute."""

    client: VapiClient
    key: KeyGuard

    def background(self) -> BackgroundLoop:
        """The loop of each replica: whether Vapi can be reached depends on where it runs."""
        return BackgroundLoop("vapi_probe", self.turn, outages=UNAVAILABLE)

    async def turn(self) -> float:
        """Probe if it is due; returns the seconds until the next probe may be due."""
        reach = self.client.reach
        if reach.seconds_to_probe <= 0:
            try:
                await self.client.check_key()
            except VapiUnauthorizedError:
                await self.key.note_refused()
            except VapiError:
                pass  # noted by the client
        return max(min(reach.seconds_to_probe, 5.0), SHORTEST_SECONDS)
