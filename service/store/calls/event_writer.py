"""Writes the steps of calls beside the calls. The call's own row, which is never dropped, keeps what
matters."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from service.domain.call_events import StepKind
from service.store.beside import WriterBeside
from service.store.calls.events import PendingStep, insert_steps


class CallEventWriter(WriterBeside[PendingStep]):
    """The steps of the calls of a replica."""

    name = "call_events"
    batch = 200

    def record(self, vapi_call_id: str, kind: StepKind, detail: Mapping[str, object]) -> None:
        """Record a step as of now."""
        self.record_sent(vapi_call_id, kind, detail, None)

    def record_sent(
        self,
        vapi_call_id: str,
        kind: StepKind,
        detail: Mapping[str, object],
        sent_at: datetime | None,
    ) -> None:
        """Record a step; `sent_at` is Vapi's own instant of it. Never waits, never fails."""
        self.keep(PendingStep(vapi_call_id, sent_at, time.monotonic(), kind, detail))

    async def write(self, items: Sequence[PendingStep]) -> None:
        await insert_steps(self.pool, items, time.monotonic())
