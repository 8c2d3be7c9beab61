"""Ids in texts that people type."""

from uuid import UUID


def find_uuid(text: str) -> UUID | None:
    """The UUID that a text is, or None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
