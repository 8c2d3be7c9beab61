"""Kinds of rules for JSON bodies, and Vapi's messages for their violations.

The wording is that of class-validator, which Vapi's API uses. Pure; `dtos` has the rules of each
field.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Finding = Iterator[str]
Rule = Callable[[str, object], Finding]

HOST = re.compile(r"(?i)^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z]{2,}$|^\d+(?:\.\d+){3}$")
NEARBY_HOST = re.compile(r"(?i)^[a-z0-9][a-z0-9-]*$|:")


def anything(_path: str, _value: object) -> Finding:
    """Accept any value: for fields that the gate never sends and the sandbox never reads."""
    yield from ()


@dataclass(frozen=True)
class Text:
    """A string; lengths count characters."""

    longest: int | None = None
    shortest: int = 0
    choices: tuple[str, ...] = ()

    def __call__(self, path: str, value: object) -> Finding:
        if self.choices and value not in self.choices:
            yield f"{path} must be one of the following values: {', '.join(self.choices)}"
        elif not isinstance(value, str):
            yield f"{path} must be a string"
        elif self.longest is not None and len(value) > self.longest:
            yield f"{path} must be shorter than or equal to {self.longest} characters"
        elif len(value) < self.shortest:
            yield f"{path} must be longer than or equal to {self.shortest} characters"


@dataclass(frozen=True)
class Number:
    """A number within bounds."""

    least: float | None = None
    most: float | None = None
    whole: bool = False

    def __call__(self, path: str, value: object) -> Finding:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{path} must be a number conforming to the specified constraints"
        elif self.whole and value != int(value):
            yield f"{path} must be an integer number"
        elif self.most is not None and value > self.most:
            yield f"{path} must not be greater than {self.most:g}"
        elif self.least is not None and value < self.least:
            yield f"{path} must not be less than {self.least:g}"


def flag(path: str, value: object) -> Finding:
    """A boolean."""
    if not isinstance(value, bool):
        yield f"{path} must be a boolean value"


def any_object(path: str, value: object) -> Finding:
    """An object with any keys."""
    if not isinstance(value, Mapping):
        yield f"{path} must be an object"


def string_map(path: str, value: object) -> Finding:
    """An object whose values are strings, such as headers."""
    yield from any_object(path, value)
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(item, str):
                yield f"{path}.{key} must be a string"


@dataclass(frozen=True)
class WebAddress:
    """An absolute https URL; `allow_http` also accepts http and hosts without a dot."""

    allow_http: bool = False

    def __call__(self, path: str, value: object) -> Finding:
        if not isinstance(value, str) or not self.fits(value):
            yield f"{path} must be a valid URL"
        elif not self.allow_http and not value.lower().startswith("https://"):
            yield f"{path} must be a valid URL. Hot tip: use https"

    def fits(self, url: str) -> bool:
        """Whether the text is a URL with a plausible host."""
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            return False
        host = parts.hostname or ""
        if any(letter.isspace() for letter in url):
            return False
        named = HOST.match(host) or (self.allow_http and NEARBY_HOST.search(host))
        return parts.scheme.lower() in ("https", "http") and bool(named)


@dataclass(frozen=True)
class Many:
    """A list, each item under one rule."""

    item: Rule
    most: int | None = None

    def __call__(self, path: str, value: object) -> Finding:
        if not isinstance(value, list):
            yield f"{path} must be an array"
            return
        if self.most is not None and len(value) > self.most:
            yield f"{path} must contain no more than {self.most} elements"
        for index, item in enumerate(value):
            yield from self.item(f"{path}.{index}", item)


@dataclass(frozen=True)
class Fields:
    """An object with known keys. Only optional ones may be null, which clears them."""

    rules: Mapping[str, Rule]
    required: tuple[str, ...] = ()

    def __call__(self, path: str, value: object) -> Finding:
        if not isinstance(value, Mapping):
            yield f"{path or 'body'} must be an object"
            return
        within = f"{path}." if path else ""
        for name, item in value.items():
            if name not in self.rules:
                yield f"{within}property {name} should not exist"
            elif item is not None:
                yield from self.rules[name](f"{within}{name}", item)
        for name in self.required:
            if value.get(name) is None:
                yield f"{within}{name} should not be null or undefined"


@dataclass(frozen=True)
class ByKey:
    """An object of one of several kinds, chosen by one of its keys (a discriminator)."""

    key: str
    kinds: Mapping[str, Rule] = field(default_factory=dict)

    def __call__(self, path: str, value: object) -> Finding:
        kind = value.get(self.key) if isinstance(value, Mapping) else None
        rule = self.kinds.get(kind) if isinstance(kind, str) else None
        if rule is None:
            within = f"{path}." if path else ""
            yield f"{within}{self.key} must be one of the following values: {', '.join(self.kinds)}"
        else:
            yield from rule(path, value)


@dataclass(frozen=True)
class Either:
    """A value that satisfies one of two rules; a violation is reported by the second."""

    first: Rule
    second: Rule

    def __call__(self, path: str, value: object) -> Finding:
        if next(self.first(path, value), None) is not None:
            yield from self.second(path, value)
