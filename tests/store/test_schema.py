from service.store.pool import Pool
from service.store.schema import check_schema


async def test_a_migrated_database_fits(pool: Pool) -> None:
    await check_schema(pool)
