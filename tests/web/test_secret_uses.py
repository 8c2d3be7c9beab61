"""Which secrets Vapi uses is not forgotten: not over a cancelled write, nor a shutdown."""

import asyncio

import asyncpg
import pytest

from service.background import BackgroundLoop
from service.domain.fingerprint import fingerprint
from service.store.pool import Pool, create_pool
from service.store.reconcile import secrets
from service.web.secret_uses import SecretUses
from tests.support.database import execute
from tests.support.service import Start, eventually
from tests.support.settings import SECRET

SECRETS = ("first-secret", "second-secret")
LOCK = "LOCK TABLE callgate.webhook_secrets IN ACCESS EXCLUSIVE MODE"


async def test_a_cancelled_write_keeps_what_was_used_for_the_next(dsn: str, pool: Pool) -> None:
    uses = SecretUses(pool, SECRETS)
    uses.note(0)
    locker = await asyncpg.connect(dsn)
    async with locker.transaction():
        await locker.execute(LOCK)
        writing = asyncio.create_task(uses.flush())
        await asyncio.sleep(0.1)
        uses.note(1)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    await locker.close()
    assert uses.used == {fingerprint(one) for one in SECRETS}
    await uses.flush()
    assert uses.used == set()
    assert set(await secrets.uses(pool)) == {fingerprint(one) for one in SECRETS}


async def test_a_write_that_fails_keeps_what_was_used(dsn: str, pool: Pool) -> None:
    uses = SecretUses(pool, SECRETS)
    uses.note(1)
    await execute(dsn, "ALTER TABLE callgate.webhook_secrets RENAME TO elsewhere")
    await uses.flush()
    assert uses.used == {fingerprint(SECRETS[1])}
    await execute(dsn, "ALTER TABLE callgate.elsewhere RENAME TO webhook_secrets")
    await uses.flush()
    assert set(await secrets.uses(pool)) == {fingerprint(SECRETS[1])}


async def test_with_postgres_away_what_was_used_is_kept(dsn: str) -> None:
    pool = await create_pool(dsn, 2)
    uses = SecretUses(pool, SECRETS)
    uses.note(0)
    await pool.close()
    await uses.flush()
    assert uses.used == {fingerprint(SECRETS[0])}


async def test_a_service_that_ends_while_it_writes_writes_at_the_end(
    start_replica: Start, dsn: str, pool: Pool
) -> None:
    service = (await start_replica()).service
    service.web.uses.note(0)
    locker = await asyncpg.connect(dsn)
    transaction = locker.transaction()
    await transaction.start()
    await locker.execute(LOCK)
    service.background.add([BackgroundLoop("writing", service.web.uses.write)])
    service.background.start()
    await asyncio.sleep(0.1)
    ending = asyncio.create_task(service.stop())

    async def cancelled() -> bool:
        return all(state.status == "stopped" for state in service.background.states())

    await eventually(cancelled)
    await transaction.rollback()
    await locker.close()
    await ending
    assert set(await secrets.uses(pool)) == {fingerprint(SECRET)}
