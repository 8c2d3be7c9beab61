"""Logging: events with keys, one line each, and a redactor that keeps secrets out of them.

Events are named `noun.past_participle`. Code must not log secrets, control URLs, full caller numbers
or raw bodies in the first place; the redactor covers messages and tracebacks of libraries.
"""

import logging
import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

import orjson
import structlog

REDACTED = "[redacted]"
CONTROL = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
PHONE_NUMBER = re.compile(r"(?<![\w+-])\+\d{6,13}(\d{2})(?!\d)")
CREDENTIALS = re.compile(r"(?i)\b(bearer\s+|postgres(?:ql)?://[^:@/\s]+:)[^\s@'\"]+")
# Stops where the next URL begins: otherwise many URLs in one text would take quadratic time.
CONTROL_URL = re.compile(r"(?i)https?://(?:(?!https?://)[^\s'\"])+/control\b[^\s'\"]*")
MOST_CHARACTERS = 20_000

THINNED = frozenset({"request.unavailable", "page.unavailable", "sign_in.refused"})
"""Events that a sender without a secret or session can cause as often as it likes."""
THINNED_SECONDS = 1.0

Event = MutableMapping[str, Any]


class Redactor:
    """A processor that redacts known secrets, numbers and URLs, and escapes control characters."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets = tuple(secret for secret in secrets if len(secret) >= 6)

    def clean(self, text: str) -> str:
        """Redact sensitive text, and escape characters that could forge a line."""
        for secret in self.secrets:
            text = text.replace(secret, REDACTED)
        # Only now: a cut within a secret would keep its beginning.
        text = text[:MOST_CHARACTERS]
        text = CREDENTIALS.sub(rf"\1{REDACTED}", text)
        text = CONTROL_URL.sub(REDACTED, text)
        text = PHONE_NUMBER.sub(r"…\1", text)
        return CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

    def walk(self, value: object) -> object:
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {self.walk(key): self.walk(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set):
            return [self.walk(item) for item in value]
        return value

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        trace = event.pop("exception", None)
        cleaned = {key: self.walk(value) for key, value in event.items()}
        if trace is not None:
            cleaned["exception"] = "\n".join(self.clean(line) for line in str(trace).split("\n"))
        return cleaned


class Thinner:
    """A processor that passes each thinned event once a second; `suppressed` counts those between."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, events: frozenset[str] = THINNED
    ) -> None:
        self.clock = clock
        self.events = events
        self.passed_at: dict[str, float] = {}
        self.suppressed: Counter[str] = Counter()

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        name = event.get("event")
        if name not in self.events:
            return event
        now = self.clock()
        if now - self.passed_at.get(name, -math.inf) < THINNED_SECONDS:
            self.suppressed[name] += 1
            raise structlog.DropEvent
        self.passed_at[name] = now
        if count := self.suppressed.pop(name, 0):
            event["suppressed"] = count
        return event


def dump(event: object, **_: object) -> str:
    """One JSON object a line; the signs of the contract's log lines stay unescaped."""
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def configure_logging(
    *,
    style: str,
    level: str,
    secrets: Iterable[str] = (),
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Send all events, ours and those of libraries, to standard error.

    `style` is `json`, `console` or empty: console on a terminal, else json.
    """
    console = style == "console" or (not style and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Redactor(secrets),
    ]
    render: Any = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if console
        else structlog.processors.JSONRenderer(serializer=dump)
    )
    structlog.configure(
        processors=[
            Thinner(clock),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Their info lines repeat our own events with less detail.
    for noisy in ("aiohttp.access", "pgqueuer", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It logs a malformed request with its raw bytes and headers; our own middleware logs every
    # error of a handler.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
