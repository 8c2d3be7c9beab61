"""Views of Vapi's objects: the few fields we read, by name; every other key stays as it was."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def text(value: object) -> str | None:
    """A text that says something."""
    return value if isinstance(value, str) and value else None


@dataclass(frozen=True, slots=True)
class PhoneNumberView:
    """A phone number as `GET /phone-number/{id}` gives it."""

    raw: Mapping[str, Any]

    @property
    def provider(self) -> str | None:
        return text(self.raw.get("provider"))

    @property
    def number(self) -> str | None:
        return text(self.raw.get("number")) or text(self.raw.get("sipUri"))

    @property
    def name(self) -> str | None:
        return text(self.raw.get("name"))

    @property
    def assistant_id(self) -> str | None:
        return text(self.raw.get("assistantId"))

    @property
    def server(self) -> Mapping[str, Any] | None:
        """The server block; the legacy `serverUrl` counts as one with only a URL."""
        server = self.raw.get("server")
        if isinstance(server, Mapping):
            return server
        legacy = text(self.raw.get("serverUrl"))
        return {"url": legacy} if legacy else None


@dataclass(frozen=True, slots=True)
class CallView:
    """A call as `GET /call/{id}` gives it."""

    raw: Mapping[str, Any]

    @property
    def is_over(self) -> bool:
        return self.raw.get("status") == "ended" or bool(self.raw.get("endedAt"))

    @property
    def control_url(self) -> str | None:
        """A capability: never log it."""
        monitor = self.raw.get("monitor")
        return text(monitor.get("controlUrl")) if isinstance(monitor, Mapping) else None
