"""Texts that a voice speaks, with placeholders that are filled in at the call."""

import re

from service.inputs.marks import BadTextError, shown

NAMES = ("organization", "reason", "date")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
UNKNOWN = r"\{(?!(organization|reason|date)\})|(?<!\{organization)(?<!\{reason)(?<!\{date)\}"
"""Matches a brace that belongs to no known placeholder; a pattern for the OpenAPI document."""
STRAY = re.compile(UNKNOWN)


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
