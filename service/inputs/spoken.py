"""Texts that a voice speaks, with placeholders that are filled in at the call."""

from policies.host.spoken import NAMES, PLACEHOLDER, STRAY
from service.inputs.marks import BadTextError, shown


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
