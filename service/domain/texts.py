"""Bounded text: a length is judged before anything is computed from what an unknown sender sent. Pure.

Unicode normalization takes quadratic time on adversarial marks, and a regular expression at least
linear time on any text, so both run here or on text that a limit has already passed.
"""

import re
import unicodedata
from typing import Literal

from service.domain.errors import InvalidError

MOST_CHARACTERS = 256
"""What a name or a password may have: the contract's limit for unauthenticated entrances."""


class TooLongError(InvalidError):
    """A text is over its limit; nothing was computed from it."""

    code = "too_long"
    sentence = f"The text has more than {MOST_CHARACTERS} characters. Shorten it."


def bounded(text: str, what: str = "The text", most: int = MOST_CHARACTERS) -> str:
    """Return the text if it has at most `most` characters. Raises `TooLongError`."""
    if len(text) > most:
        raise TooLongError(f"{what} has {len(text)} characters; at most {most} are allowed.")
    return text


def normalize(text: str, form: Literal["NFC", "NFKC"], what: str = "The text") -> str:
    """Return the text in a Unicode normal form. Raises `TooLongError` before any work."""
    return unicodedata.normalize(form, bounded(text, what))


def fold(text: str, what: str = "The text") -> str:
    """Return the text without letter case and compatibility forms, for comparison.

    Raises `TooLongError` before any work.
    """
    folded = normalize(text, "NFKC", what).casefold()
    # At most 18 times the length, so still bounded: folding can undo what the first pass made.
    return unicodedata.normalize("NFKC", folded)


def fold_start(text: str) -> str:
    """Return the first characters of a text without letter case, for a search in foreign texts."""
    return text[:MOST_CHARACTERS].casefold()


def is_all(pattern: str | re.Pattern[str], text: str, most: int = MOST_CHARACTERS) -> bool:
    """Whether the whole text matches a pattern; a text over the limit never does."""
    return len(text) <= most and re.fullmatch(pattern, text) is not None
