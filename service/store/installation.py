"""`callgate.installation`: whether the database belongs to the sandbox or to a real Vapi account."""

from typing import Literal

from service.store.pool import Connection, Pool

Mode = Literal["sandbox", "real"]

# The first start decides; of two at once, one.
MARK = """
UPDATE callgate.installation SET mode = $1, marked_at = now() WHERE mode IS NULL
"""

FIND = "SELECT mode FROM callgate.installation"

SANDBOX_REFUSES = (
    "This database belongs to a real Vapi account, so the sandbox does not open it: give the sandbox "
    "another CALLGATE_DATA_DIR, or a DATABASE_URL of its own."
)
REAL_REFUSES = (
    "This database belongs to the sandbox, so it is not used with a real Vapi account: set another "
    "CALLGATE_DATA_DIR or DATABASE_URL, or run callgate serve --sandbox."
)


class WrongModeError(Exception):
    """The database belongs to the other mode; the message says what to do."""


async def get_mode(database: Pool | Connection) -> Mode | None:
    """Which mode the database belongs to; None before the first start."""
    found: Mode | None = await database.fetchval(FIND)
    return found


async def claim_for(database: Pool | Connection, mode: Mode) -> None:
    """Mark the database at its first start. Raises `WrongModeError` if it belongs to the other mode."""
    await database.execute(MARK, mode)
    if await get_mode(database) != mode:
        raise WrongModeError(SANDBOX_REFUSES if mode == "sandbox" else REAL_REFUSES)


async def check_real(database: Pool | Connection) -> None:
    """Raise `WrongModeError` if the database belongs to the sandbox."""
    if await get_mode(database) == "sandbox":
        raise WrongModeError(REAL_REFUSES)
