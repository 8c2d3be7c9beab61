"""Marks without width and unusual spaces, which copying brings along unseen."""

import re
import unicodedata

# Joiners (U+200C, U+200D) stay: some scripts and emoji need them.
MARKS = "\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"
# Also the fillers that some fonts draw as nothing.
BLANKS = r" \u00a0\u115f\u1160\u1680\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\uffa0"
SPACES = BLANKS + r"\t\n\v\f\r\u0085\u2028\u2029"
ENDS = re.compile(f"[{SPACES}{MARKS}]")
EVERY_MARK = re.compile(f"[{MARKS}]")
EVERY_BLANK = re.compile(f"[{BLANKS}]+")

UNSAFE = r"\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
HIDDEN = re.compile(f"[{UNSAFE}\ud800-\udfff]")
"""Characters that forge lines and names, and lone surrogates, which PostgreSQL refuses."""

QUOTES = (("'", "'"), ('"', '"'), ("“", "”"), ("‘", "’"))
MOST_CHARACTERS = 256
"""What is parsed at most: normalization takes quadratic time on adversarial marks."""
SHOWN = 60


class BadTextError(ValueError):
    """A text is not of its kind. The message names the text and the remedy, and is safe to show."""


def trim(text: str) -> str:
    """The text without spaces and marks at both ends."""
    start, end = 0, len(text)
    while start < end and ENDS.match(text[start]):
        start += 1
    while end > start and ENDS.match(text[end - 1]):
        end -= 1
    return text[start:end]


def unquoted(text: str) -> str:
    """The trimmed text without the quotes around it, which files of variables keep."""
    plain = trim(text)
    for opening, closing in QUOTES:
        inside = plain[1:-1]
        if plain == f"{opening}{inside}{closing}" and not {opening, closing} & set(inside):
            return trim(inside)
    return plain


def bounded(text: str) -> str:
    """The text, if it is short enough to be parsed. Raises `BadTextError`."""
    if len(text) > MOST_CHARACTERS:
        raise BadTextError(f"has {len(text)} characters; at most {MOST_CHARACTERS} are allowed")
    return text


def composed(text: str) -> str:
    """The text with composed letters (NFC), as most keyboards write them. Raises `BadTextError`."""
    return unicodedata.normalize("NFC", bounded(text))


def plain_signs(text: str) -> str:
    """The text with digits and signs of full width in their usual form. Raises `BadTextError`."""
    return unicodedata.normalize("NFKC", bounded(text))


def without_marks(text: str) -> str:
    """The trimmed text without quotes around it and marks inside, for kinds that have none: ids,
    numbers, tags.

    Raises `BadTextError`.
    """
    return EVERY_MARK.sub("", unquoted(bounded(text)))


def shown(text: str) -> str:
    """A given text as a message may repeat it: shortened, without control characters, in quotes."""
    plain = "".join(sign if sign.isprintable() else "?" for sign in text[: SHOWN + 1])
    plain = plain if len(plain) <= SHOWN else plain[: SHOWN - 1] + "…"
    return f"“{plain}”"
