"""Ids in typed texts."""

from uuid import UUID


def find_uuid(text: str) -> UUID | None:
    """The text as a UUID; None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
