"""Names and labels: one form for texts that look the same."""

from policies.host.marks import EVERY_BLANK, HIDDEN, MOST_CHARACTERS, BadTextError, composed, trim


def parse_name(text: str) -> str:
    """A name as it is stored: composed (NFC), one plain space between words, none at the ends.

    Raises `BadTextError`.
    """
    name = plain_spaces(text)
    if HIDDEN.search(name):
        raise BadTextError("has control or direction characters inside; type it again without them")
    if not name:
        raise BadTextError("has no visible characters")
    return name


def parse_query(text: str) -> str:
    """A search text in the form in which names are stored; it may be blank. A long one is cut."""
    return plain_spaces(text[:MOST_CHARACTERS])


def plain_spaces(text: str) -> str:
    return EVERY_BLANK.sub(" ", composed(trim(text)))


def parse_text(text: str) -> str:
    """A longer text for people, trimmed. Raises `BadTextError` if it is blank or hides characters."""
    trimmed = trim(text)
    if "\n" in trimmed or "\r" in trimmed:
        raise BadTextError("has a line break inside; write it on one line")
    if HIDDEN.search(trimmed):
        raise BadTextError("has control or direction characters inside; type it again without them")
    if not trimmed:
        raise BadTextError("has no visible characters")
    return trimmed
