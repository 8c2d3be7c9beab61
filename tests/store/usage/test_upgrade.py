"""An upgrade sums up the calls that were recorded before it, and those that are recorded meanwhile."""

from datetime import timedelta
from uuid import uuid4

from service.store.pool import Pool
from service.store.schema import downgrade, migrate
from tests.store.usage.helpers import KEPT, check, read
from tests.support.calls import AT, new_call, record


async def test_calls_before_and_during_an_upgrade_count_once(dsn: str, pool: Pool) -> None:
    await downgrade(dsn, "0034c")
    owners = [uuid4(), uuid4()]
    for place, step in enumerate(("0035", "0035b")):
        for number, owner in enumerate(owners):
            call = new_call(
                f"call-{place}-{number}",
                organization_id=owner,
                started_at=AT - timedelta(hours=30 * number),
                ended_at=AT,
                duration_seconds=12.5,
            )
            await record(pool, call)
        await migrate(dsn, step)
    assert sum(sums.calls for sums in (await read(pool, KEPT)).values()) == 4
    await check(pool)
    await migrate(dsn)
