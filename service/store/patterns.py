"""Patterns of PostgreSQL's LIKE."""


def pattern_of(query: str) -> str:
    """A LIKE pattern that matches `query` anywhere."""
    escaped = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
