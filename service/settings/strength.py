"""Whether a secret in the settings can be guessed. Pure; a secret is never repeated in a text."""

import re

LEAST_CHARACTERS = 24
LEAST_DIFFERENT = 8
MAKE_ONE = "Make one with: openssl rand -hex 32"

PLACEHOLDER = re.compile(
    r"^<.*>$|^\$\{?|\byour\b|^your|change[-_ ]?(me|this|it)|replace[-_ ]?(me|this|it|with)|placeholder"
    r"|\bexample\b|^(my|the|a)?[-_ ]?(super|top)?[-_ ]?(secret|password|token|key|admin|test)[-_ \d!]*$"
)
MOST_CHARACTERS = 4096


def weakness(value: str) -> str | None:
    """Why the value is no secret, as the end of a sentence that begins with its name; else None."""
    if len(value) > MOST_CHARACTERS:
        return f"has over {MOST_CHARACTERS} characters. {MAKE_ONE}"
    if is_placeholder(value):
        return f"is a placeholder. {MAKE_ONE}"
    if len(value) < LEAST_CHARACTERS:
        return f"has {len(value)} characters; it needs at least {LEAST_CHARACTERS}. {MAKE_ONE}"
    if len(set(value)) < LEAST_DIFFERENT or repeats(value):
        return f"repeats the same characters. {MAKE_ONE}"
    return None


def is_placeholder(value: str) -> bool:
    """Whether the value stands in a template for one that was never filled in."""
    return len(value) <= MOST_CHARACTERS and bool(PLACEHOLDER.search(value.lower()))


def repeats(value: str) -> bool:
    """Whether the value is a shorter text several times over."""
    return value in (value + value)[1:-1]
