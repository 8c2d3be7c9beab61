"""Language tags (BCP 47) as people write them: `es-419`, `zh_hans`, `pt_BR.UTF-8`."""

import re

from policies.host.marks import BadTextError, shown, without_marks

# Language, script, region and variants: the subtags that name how a text is written and spoken.
TAG = re.compile(
    r"[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*", re.ASCII
)
LANGUAGE_TAG = (
    r"^[A-Za-z]{2,3}([-_][A-Za-z]{4})?([-_]([A-Za-z]{2}|[0-9]{3}))?"
    r"([-_]([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*$"
)
"""The accepted tags, for the OpenAPI document."""
MOST = 35
"""The longest tag, as RFC 5646 lets a reader limit it."""


def parse_language(text: str) -> str:
    """A pasted language tag in canonical case, such as `zh-Hans-CN`. Raises `BadTextError`."""
    tag = without_marks(text).partition(".")[0].replace("_", "-").lower()
    if len(tag) > MOST or not TAG.fullmatch(tag):
        raise BadTextError(
            f"{shown(text)} is no language tag: write one such as en, en-GB, es-419 or zh-Hans."
        )
    first, *rest = tag.split("-")
    return "-".join([first, *(cased(subtag) for subtag in rest)])


def cased(subtag: str) -> str:
    """A subtag after the first in its usual case: `Hans`, `CN`, `419`, `valencia`."""
    if len(subtag) == 4 and subtag.isalpha():
        return subtag.title()
    return subtag.upper() if len(subtag) == 2 else subtag
