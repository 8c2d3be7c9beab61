"""What the relay passed on of calls to their organizations' own servers."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from service.domain.calls import Call
from service.domain.relay.messages import CallRelay
from service.store.pool import Pool
from service.store.relay.search import count_of_calls


async def find_relayed(pool: Pool, calls: Sequence[Call]) -> Mapping[UUID, CallRelay]:
    """The kept messages of calls, by the calls' ids, read in one statement. A call of which none is
    kept is absent."""
    lines = {
        call.id: (call.organization_id, call.vapi_call_id)
        for call in calls
        if call.organization_id is not None
    }
    counts = await count_of_calls(pool, list(lines.values()))
    return {call_id: counts[line] for call_id, line in lines.items() if line in counts}
