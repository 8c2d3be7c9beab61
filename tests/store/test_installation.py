"""The database remembers whether it belongs to the sandbox; each mode refuses the other's."""

import pytest

from service.sandbox.server import ORG_ID
from service.serve.database import Database, StartError, prepare_database
from service.store.installation import get_mode
from service.store.pool import Pool
from service.store.roles import app_dsn
from service.store.schema import downgrade, migrate
from tests.support.database import execute

SAMPLE = (
    "INSERT INTO callgate.organizations (name, external_id) VALUES ('B', 'sample-paying-pizza')"
)
OWN = "INSERT INTO callgate.organizations (name) VALUES ('Bakery')"
NUMBER = """
WITH one AS (
    INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id)
    SELECT id, 'number-1' FROM callgate.organizations LIMIT 1 RETURNING id)
INSERT INTO callgate.webhook_states (phone_number_id, vapi_org_id) SELECT id, '{}' FROM one
"""


def database(dsn: str) -> Database:
    return Database(app_dsn(dsn), dsn, embedded=True)


async def test_the_first_start_decides_and_the_other_mode_is_refused(dsn: str, pool: Pool) -> None:
    assert await get_mode(pool) is None
    await prepare_database(database(dsn), "sandbox")
    await prepare_database(database(dsn), "sandbox")
    with pytest.raises(StartError, match="belongs to the sandbox"):
        await prepare_database(database(dsn), "real")
    assert await get_mode(pool) == "sandbox"


async def test_the_sandbox_does_not_open_the_real_thing(dsn: str, pool: Pool) -> None:
    await prepare_database(database(dsn), "real")
    with pytest.raises(StartError, match="belongs to a real Vapi account"):
        await prepare_database(database(dsn), "sandbox")
    assert await get_mode(pool) == "real"


@pytest.mark.parametrize(
    ("contents", "mode"),
    [
        ((), None),
        ((OWN,), "real"),
        ((SAMPLE,), "sandbox"),
        ((SAMPLE, NUMBER.format(ORG_ID)), "sandbox"),
        ((SAMPLE, NUMBER.format("another-organization-of-vapi")), "real"),
    ],
)
async def test_a_database_of_an_earlier_version_is_judged_by_its_contents(
    dsn: str, pool: Pool, contents: tuple[str, ...], mode: str | None
) -> None:
    await downgrade(dsn, "0009")
    for statement in contents:
        await execute(dsn, statement)
    await migrate(dsn)
    assert await get_mode(pool) == mode
