"""A text that may lead to a page. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextLink:
    """`address` is "" for a text that leads nowhere."""

    text: str
    address: str = ""


NONE = TextLink("—")
