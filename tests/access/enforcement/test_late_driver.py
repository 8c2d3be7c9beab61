"""What workers hear of the queue."""

from service.access.enforcement.late_driver import LateDriver
from service.store.pool import connect
from tests.support.service import eventually


async def test_a_new_job_is_heard_of_a_moment_later(dsn: str) -> None:
    connection, heard = await connect(dsn), list[object]()
    await LateDriver(connection, 0.3).add_listener("jobs", heard.append)
    # A session hears of its own notification before the answer to its statement.
    await connection.execute("SELECT pg_notify('jobs', 'new')")
    assert heard == []

    async def has_heard() -> bool:
        return heard == ["new"]

    await eventually(has_heard)
    await connection.close()
