"""Reads what is chosen about policies for all organizations."""

from typing import Any

from service.domain.policies.choices import (
    NONE_CHOSEN,
    GeneralChoice,
    GeneralChoices,
    OwnChoice,
    OwnChoices,
)
from service.store.pool import Connection, Pool

READ = """
SELECT name, mode, share, "order", on_failure, timeout_seconds FROM callgate.policy_choices
"""


async def read_choices(database: Pool | Connection) -> GeneralChoices:
    """The choices for all organizations, by the policy's name."""
    return {row["name"]: choice_of(row) for row in await database.fetch(READ)}


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
