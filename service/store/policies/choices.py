"""What is chosen about policies, for all organizations and for one."""

from typing import Any
from uuid import UUID

import asyncpg

from service.domain.policies.choices import (
    NONE_CHOSEN,
    GeneralChoice,
    GeneralChoices,
    OwnChoice,
    OwnChoices,
)
from service.store.bounded import at_most
from service.store.failures import UNAVAILABLE, UNUSABLE
from service.store.pool import Connection, Pool, connect
from service.store.vault import Vault, is_sealed

READ = """
SELECT name, mode, share, "order", on_failure, timeout_seconds FROM callgate.policy_choices
"""


FIND = READ + "WHERE name = $1"

# Changes of them take turns, so that the audit's `before` is correct; readers do not wait.
LOCK = "LOCK TABLE callgate.policy_choices IN SHARE ROW EXCLUSIVE MODE"

PUT = """
INSERT INTO callgate.policy_choices (name, mode, share, "order", on_failure, timeout_seconds)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (name) DO UPDATE SET mode = $2, share = $3, "order" = $4, on_failure = $5,
    timeout_seconds = $6, updated_at = now()
"""

DELETE = "DELETE FROM callgate.policy_choices WHERE name = $1"

PUT_OWN = """
INSERT INTO callgate.organization_policies (organization_id, name, mode, settings)
VALUES ($1, $2, $3, $4)
ON CONFLICT (organization_id, name) DO UPDATE SET mode = $3, settings = $4, updated_at = now()
"""

LIST_SEALED = """
SELECT organization_id, name, settings FROM callgate.organization_policies
WHERE settings::text LIKE '%"sealed.v1.%'
"""

SEAL = """
UPDATE callgate.organization_policies SET settings = $3
WHERE organization_id = $1 AND name = $2 AND settings = $4
"""

DELETE_OWN = "DELETE FROM callgate.organization_policies WHERE organization_id = $1 AND name = $2"


async def read_choices(database: Pool | Connection) -> GeneralChoices:
    """The choices for all organizations, by the policy's name."""
    return {row["name"]: choice_of(row) for row in await database.fetch(READ)}


async def read_choices_at(dsn: str, seconds: float) -> GeneralChoices | None:
    """The choices in a database that may be away, or without its schema: None then."""
    try:
        connection = await connect(dsn, pooled=True)
        try:
            async with at_most(seconds):
                return await read_choices(connection)
        finally:
            connection.terminate()
    except (*UNAVAILABLE, *UNUSABLE, asyncpg.PostgresError, ValueError):
        return None


async def find(database: Pool | Connection, name: str) -> GeneralChoice:
    """The choice about one policy for all organizations; its own way without one."""
    row = await database.fetchrow(FIND, name)
    return GeneralChoice() if row is None else choice_of(row)


async def lock(connection: Connection) -> None:
    """Let no other change of these choices begin until the transaction ends."""
    await connection.execute(LOCK)


async def put(connection: Connection, name: str, choice: GeneralChoice) -> None:
    """Set the choice about a policy for all organizations; one that chooses nothing is removed."""
    if choice == GeneralChoice():
        await connection.execute(DELETE, name)
        return
    await connection.execute(
        PUT,
        name,
        choice.mode,
        choice.share,
        choice.order,
        choice.on_failure,
        choice.timeout_seconds,
    )


async def reseal(pool: Pool, vault: Vault) -> int:
    """Encrypt anew what an older key encrypted; how many settings."""
    count = 0
    for row in await pool.fetch(LIST_SEALED):
        old = row["settings"]
        new = {name: vault.seal(one) if is_sealed(one) else one for name, one in old.items()}
        if new != old:
            await pool.execute(SEAL, row["organization_id"], row["name"], new, old)
            count += 1
    return count


async def put_own(
    connection: Connection, organization_id: UUID, name: str, choice: OwnChoice
) -> None:
    """Set an organization's choice about a policy; one that chooses nothing is removed."""
    if choice == OwnChoice():
        await connection.execute(DELETE_OWN, organization_id, name)
        return
    await connection.execute(PUT_OWN, organization_id, name, choice.mode, choice.settings)


def choice_of(row: Any) -> GeneralChoice:
    """A choice from a row of `READ`, or from the same as JSON."""
    return GeneralChoice(
        row["mode"], row["share"], row["order"], row["on_failure"], row["timeout_seconds"]
    )


def own_choices_of(stored: Any) -> OwnChoices:
    """An organization's choices, from JSON by the policy's name."""
    if not stored:
        return NONE_CHOSEN
    return {name: OwnChoice(one["mode"], one["settings"]) for name, one in stored.items()}
