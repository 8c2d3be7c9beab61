"""Strict reading of JSON. Refuses JSON that parsers read differently and values that PostgreSQL cannot
store, so that every accepted value comes back from the database as it was sent."""

import json
import math

from service.web.shapes.errors import InputError

MAX_DEPTH = 32
MAX_INT = 2**63 - 1


def malformed(detail: str) -> InputError:
    return InputError(400, "malformed_json", detail)


def unfit(detail: str) -> InputError:
    return InputError(422, "unfit_value", detail)


def read_json(content: bytes) -> object:
    """Parse a JSON text. Raises `InputError`."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed("The body is not UTF-8.") from None
    try:
        value: object = json.loads(
            text, object_pairs_hook=unique, parse_constant=no_constant, parse_int=whole
        )
    except RecursionError:
        raise unfit(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    except ValueError:
        raise malformed("The body is not valid JSON.") from None
    check(value)
    return value


def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a repeated key: parsers do not agree on which value counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise malformed("An object has the same key twice.")
    return found


def no_constant(name: str) -> object:
    raise malformed(f"{name} is not valid JSON.")


def whole(digits: str) -> int:
    """Refuse integers over 64 bits: they would come back rounded."""
    if len(digits) > 20 or abs(int(digits)) > MAX_INT:
        raise unfit("A number exceeds 64 bits. Send it as a string.")
    return int(digits)


def check(value: object) -> None:
    """Walk through a value, without recursion, and refuse what cannot be stored."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise unfit(f"The body is nested deeper than {MAX_DEPTH} levels.")
        if isinstance(item, str):
            check_text(item)
        elif isinstance(item, float):
            if not math.isfinite(item):
                raise unfit("A number is too large.")
        elif isinstance(item, dict):
            for key, inner in item.items():
                check_text(key)
                waiting.append((inner, depth + 1))
        elif isinstance(item, list):
            waiting.extend((inner, depth + 1) for inner in item)


def check_text(text: str) -> None:
    """Refuse characters that PostgreSQL cannot store: null, and unpaired surrogates."""
    if "\x00" in text:
        raise unfit("A text contains a null character.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise unfit("A text contains an unpaired surrogate.")
