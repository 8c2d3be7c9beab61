"""Parsing that may be refused, for property tests."""

from collections.abc import Callable

from policies.host.marks import BadTextError


def attempt(parse: Callable[[str], str], text: str) -> tuple[str | None, str]:
    """The parsed text, or None and the refusal."""
    try:
        return parse(text), ""
    except BadTextError as exc:
        return None, str(exc)
