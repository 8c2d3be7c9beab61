"""Recording that a call has ended: no end is written to nothing.

A report is a claim. It closes a call that may go on; a call that is being hung up is closed by Vapi's
record only, or once Vapi no longer knows it. An end whose call has no row, because the row still waits
in a spool or a failover lost it, brings the call along and inserts it; the first record merges into that
row when it arrives.
"""

import structlog

from service.domain.calls import CallEnd
from service.store.calls.closing import EndResult, close_call
from service.store.calls.records import record_calls
from service.store.pool import Pool

log = structlog.get_logger()


async def record_end(pool: Pool, end: CallEnd) -> EndResult:
    """Close a call, or have Vapi asked whether it has ended if it is being hung up.

    `unknown` only if the call has no row and the end does not say what its replica knew of the call.
    """
    async with pool.acquire() as connection:
        result = await close_call(connection, end)
        if result != "unknown":
            return result
        if end.call is None:
            log.error("call.end_without_call", call_id=end.vapi_call_id)
            return result
        await record_calls(connection, [end.call])
        log.warning("call.recorded_at_end", call_id=end.vapi_call_id)
        return await close_call(connection, end)
