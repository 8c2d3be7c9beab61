"""Placeholders in texts that a voice speaks: `{organization}`, `{reason}`, `{date}`, `{until}`. Pure."""

import re

from policies.host.marks import HIDDEN, BadTextError, shown, trim

NAMES = ("organization", "reason", "date", "until")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
UNKNOWN = (
    r"\{(?!(organization|reason|date|until)\})"
    r"|(?<!\{organization)(?<!\{reason)(?<!\{date)(?<!\{until)\}"
)
"""Matches a brace that belongs to no known placeholder; a pattern for the OpenAPI document."""
BREAKS = re.compile(r"[\r\n]+")
STRAY = re.compile(UNKNOWN)
MOST_SPOKEN = 1000
"""Characters: about a minute of speech; Vapi itself allows 4,000."""


def fit_spoken(text: object) -> str | None:
    """The text on one line, if a voice can speak it and every brace is a placeholder's; else None."""
    if type(text) is not str or len(text) > MOST_SPOKEN:
        return None
    line = " ".join(text.split())
    return line if line and line.isprintable() and not STRAY.search(line) else None


def parse_spoken(text: str) -> str:
    """A pasted text that a voice speaks, on one line. Raises `BadTextError` if it is blank, hides
    characters, or has a brace that belongs to no placeholder."""
    line = " ".join(part for part in map(trim, BREAKS.split(text)) if part)
    if HIDDEN.search(line):
        raise BadTextError("has control or direction characters inside; type it again without them")
    if not line:
        raise BadTextError("has no visible characters")
    return check_placeholders(line)


def check_placeholders(text: str) -> str:
    """The text, if every brace belongs to a placeholder that is filled in. Raises `BadTextError`.

    Anything else would be spoken as it is written.
    """
    stray = STRAY.search(text)
    if stray is None:
        return text
    known = ", ".join(f"{{{name}}}" for name in NAMES)
    whole = PLACEHOLDER.match(text, stray.start())
    if whole is None:
        around = text[max(stray.start() - 20, 0) : stray.start() + 20]
        raise BadTextError(
            f"has a brace that belongs to no placeholder, in {shown(around)}; "
            f"the placeholders are {known}"
        )
    raise BadTextError(
        f"has the unknown placeholder {shown(whole[0])}; the placeholders are {known}"
    )
