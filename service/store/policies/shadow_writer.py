"""Writes verdicts of policies in shadow beside the decisions."""

from collections.abc import Sequence

from service.domain.policies.shadow import ShadowVerdict
from service.store.beside import WriterBeside
from service.store.policies.shadow_verdicts import insert_verdicts


class ShadowWriter(WriterBeside[ShadowVerdict]):
    """The verdicts of a replica."""

    name = "shadow_verdicts"
    batch = 500

    def record(self, verdict: ShadowVerdict) -> None:
        """Keep a verdict to be written soon. Never waits, never fails."""
        self.keep(verdict)

    async def write(self, items: Sequence[ShadowVerdict]) -> None:
        await insert_verdicts(self.pool, items)
