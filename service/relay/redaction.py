"""Removes what a client must not get from a body that is relayed to its server. Pure.

Members go with their comma; every other byte stays as it came, so that numbers, key order and repeated
keys are not rewritten. Removed at any depth: `headers` of a `server`, webhook secrets, provider keys and
tokens, and control URLs. `listenUrl` too: it differs from the control URL in its last word only.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],]', re.DOTALL)
SUSPECT = (b"secret", b"authtoken", b"apikey", b"controlurl", b"listenurl", b"headers")
"""What a body with something to remove contains, or an escape that may hide it; without any of them no
token is read. Searched as plain text: a regular expression takes twenty times as long."""

NAMES = frozenset({"secret", "serverurlsecret", "controlurl", "listenurl"})
ENDINGS = ("authtoken", "apikey")
REDACTED = b"[redacted]"


@dataclass(slots=True)
class Level:
    """An open object or array. `name` is the key that it stands at, in small letters.

    `key` is the key of the member that is read, None in an array. `separator` is where the comma before
    that member begins; `kept`: a member before it stays.
    """

    name: str | None
    is_object: bool
    separator: int
    key: str | None = None
    awaits_key: bool = True
    kept: bool = False


def redact(body: bytes, secrets: Sequence[bytes] = ()) -> bytes:
    """The body without the members that are not for clients; the same bytes where there is none.

    `body` is valid JSON. `secrets` are replaced wherever else they stand.
    """
    spans = removed_spans(body) if is_suspect(body) else []
    if spans:
        parts, at = [], 0
        for start, end in spans:
            parts.append(body[at:start])
            at = end
        body = b"".join([*parts, body[at:]])
    for secret in secrets:
        if secret and secret in body:
            body = body.replace(secret, REDACTED)
    return body


def changed_only(body: bytes, secrets: Sequence[bytes]) -> bytes:
    """`redact`, but nothing where the body stays as it is: no large document has to be copied back."""
    redacted = redact(body, secrets)
    return b"" if redacted == body else redacted


def is_suspect(body: bytes) -> bool:
    """Whether a body may have something to remove."""
    small = body.lower()
    return b"\\u" in small or any(word in small for word in SUSPECT)


def is_private(key: str, parent: str | None) -> bool:
    """Whether a member is not for clients; both names in small letters."""
    return key in NAMES or key.endswith(ENDINGS) or (key == "headers" and parent == "server")


def removed_spans(body: bytes) -> list[tuple[int, int]]:
    """The parts of the body to leave out, in order."""
    spans: list[tuple[int, int]] = []
    levels: list[Level] = []
    dropping: Level | None = None
    for token in TOKEN.finditer(body):
        start, first = token.start(), body[token.start()]
        level = levels[-1] if levels else None
        if first == 0x22:  # a string
            if level is not None and level.is_object and level.awaits_key:
                level.awaits_key = False
                level.key = read_key(token[0])
                if dropping is None:
                    if is_private(level.key, level.name):
                        dropping = level
                    else:
                        level.kept = True
        elif first in b"{[":
            name = level.key if level is not None and level.is_object else None
            if level is not None and not level.is_object:
                name = level.name
            levels.append(Level(name, first == 0x7B, token.end()))
        elif first in b"}]":
            closed = levels.pop() if levels else None
            if closed is not None and closed is dropping:
                spans.append((closed.separator, start))
                dropping = None
        elif first == 0x2C and level is not None and level.is_object:
            if level is dropping:
                # The first member goes with the comma behind it, a later one with that before it.
                spans.append((level.separator, start if level.kept else token.end()))
                dropping = None
            level.separator = start if level.kept else token.end()
            level.awaits_key = True
    return spans


def read_key(quoted: bytes) -> str:
    """A key as text in small letters; escapes are resolved."""
    if b"\\" not in quoted:
        return quoted[1:-1].decode(errors="replace").lower()
    try:
        return str(json.loads(quoted)).lower()
    except ValueError:
        return ""
