"""Placeholders in texts that a voice speaks: `{organization}`, `{reason}`, `{date}`, `{until}`. Pure."""

import re

NAMES = ("organization", "reason", "date", "until")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
UNKNOWN = (
    r"\{(?!(organization|reason|date|until)\})"
    r"|(?<!\{organization)(?<!\{reason)(?<!\{date)(?<!\{until)\}"
)
"""Matches a brace that belongs to no known placeholder; a pattern for the OpenAPI document."""
STRAY = re.compile(UNKNOWN)
MOST_SPOKEN = 1000
"""Characters: about a minute of speech; Vapi itself allows 4,000."""


def fit_spoken(text: object) -> str | None:
    """The text on one line, if a voice can speak it and every brace is a placeholder's; else None."""
    if type(text) is not str or len(text) > MOST_SPOKEN:
        return None
    line = " ".join(text.split())
    return line if line and line.isprintable() and not STRAY.search(line) else None
