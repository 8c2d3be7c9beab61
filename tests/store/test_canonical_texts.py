"""The migration that brings ids and names of earlier versions into the form that is compared."""

from service.store.pool import Pool
from service.store.schema import downgrade, migrate
from tests.support.database import execute

ID = "3f6c2a10-7f3e-4c56-9d0b-1a2b3c4d5e6f"
TWIN = "4f6c2a10-7f3e-4c56-9d0b-1a2b3c4d5e6f"
ORGANIZATION = "INSERT INTO callgate.organizations (name, external_id) VALUES ('{}', '{}')"
NUMBER = """
INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, label)
SELECT id, '{}', '{}' FROM callgate.organizations LIMIT 1
"""


async def test_texts_of_earlier_versions_are_canonical_afterwards(dsn: str, pool: Pool) -> None:
    await downgrade(dsn, "0015")
    for statement in (
        ORGANIZATION.format("Cafe\u0301\u00a0 Nord ", "E\u0301"),
        ORGANIZATION.format("plain", "\u00c9"),
        NUMBER.format(ID.upper(), "front\u00a0desk"),
        NUMBER.format(TWIN, "kept"),
        NUMBER.format(TWIN.upper(), "never matched a call"),
        NUMBER.format("Pn_Not.A.Uuid", "as it is"),
    ):
        await execute(dsn, statement)
    await migrate(dsn)
    names = await pool.fetch("SELECT name, external_id FROM callgate.organizations")
    # An external id whose form belongs to another organization stays.
    assert {tuple(row) for row in names} == {("Caf\u00e9 Nord", "E\u0301"), ("plain", "\u00c9")}
    numbers = await pool.fetch("SELECT vapi_phone_number_id, label FROM callgate.phone_numbers")
    assert {tuple(row) for row in numbers} == {
        (ID, "front desk"),
        (TWIN, "kept"),
        ("Pn_Not.A.Uuid", "as it is"),
    }


async def test_of_two_ids_that_become_one_the_earlier_gets_the_form(dsn: str, pool: Pool) -> None:
    await downgrade(dsn, "0015")
    for name, external_id in (("first", "a\u00a0b"), ("second", "a  b"), ("third", " a b")):
        await execute(dsn, ORGANIZATION.format(name, external_id))
    await migrate(dsn)
    rows = await pool.fetch("SELECT name, external_id FROM callgate.organizations")
    assert {tuple(row) for row in rows} == {("first", "a b"), ("second", "a  b"), ("third", " a b")}


async def test_an_active_number_wins_over_its_released_twin(dsn: str, pool: Pool) -> None:
    await downgrade(dsn, "0015")
    await execute(dsn, ORGANIZATION.format("owner", "o"))
    mixed = ID[:13] + ID[13:].upper()
    for spelling, label in ((ID, "released"), (ID.upper(), "active"), (mixed, "twin")):
        await execute(dsn, NUMBER.format(spelling, label))
    await execute(
        dsn,
        "UPDATE callgate.phone_numbers SET released_at = now(), organization_id = NULL "
        "WHERE label = 'released'",
    )
    await migrate(dsn)
    rows = await pool.fetch(
        "SELECT vapi_phone_number_id, label, released_at FROM callgate.phone_numbers"
    )
    assert [tuple(row) for row in rows] == [(ID, "active", None)]
