"""Views of Vapi's objects: the few fields we read, by name; every other key stays as it was."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


def text(value: object) -> str | None:
    """A text that says something."""
    return value if isinstance(value, str) and value else None


@dataclass(frozen=True, slots=True)
class ServerView:
    """What numbers and assistants have in common: where their events go."""

    raw: Mapping[str, Any]

    @property
    def id(self) -> str | None:
        return text(self.raw.get("id"))

    @property
    def name(self) -> str | None:
        return text(self.raw.get("name"))

    @property
    def server_url(self) -> str | None:
        """The legacy field, which old code still writes."""
        return text(self.raw.get("serverUrl"))

    @property
    def server(self) -> Mapping[str, Any] | None:
        """The server block; the legacy `serverUrl` counts as one with only a URL."""
        server = self.raw.get("server")
        if isinstance(server, Mapping):
            return server
        return {"url": self.server_url} if self.server_url else None


@dataclass(frozen=True, slots=True)
class AssistantView(ServerView):
    """An assistant as `GET /assistant/{id}` gives it."""


@dataclass(frozen=True, slots=True)
class PhoneNumberView(ServerView):
    """A phone number as `GET /phone-number/{id}` gives it."""

    @property
    def provider(self) -> str | None:
        return text(self.raw.get("provider"))

    @property
    def number(self) -> str | None:
        return text(self.raw.get("number")) or text(self.raw.get("sipUri"))

    @property
    def assistant_id(self) -> str | None:
        return text(self.raw.get("assistantId"))

    @property
    def squad_id(self) -> str | None:
        return text(self.raw.get("squadId"))

    @property
    def workflow_id(self) -> str | None:
        return text(self.raw.get("workflowId"))


@dataclass(frozen=True, slots=True)
class CallView:
    """A call as `GET /call/{id}` gives it: unlike in messages, its status is live."""

    raw: Mapping[str, Any]

    @property
    def status(self) -> str | None:
        return text(self.raw.get("status"))

    @property
    def is_over(self) -> bool:
        return self.status == "ended" or bool(text(self.raw.get("endedAt")))

    @property
    def control_url(self) -> str | None:
        """A capability: never log it."""
        monitor = self.raw.get("monitor")
        return text(monitor.get("controlUrl")) if isinstance(monitor, Mapping) else None


@dataclass(frozen=True, slots=True)
class PhoneNumberPage:
    """One page of phone numbers, and whether another follows."""

    numbers: tuple[PhoneNumberView, ...]
    has_next: bool

    @classmethod
    def parse(cls, raw: Mapping[str, Any], page: int, limit: int) -> Self | None:
        """Read `{"results": […], "metadata": {…}}` of page `page`; None if it is something else."""
        results, metadata = raw.get("results"), raw.get("metadata")
        if not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
            return None
        known = metadata if isinstance(metadata, Mapping) else {}
        more, total = known.get("hasNextPage"), known.get("totalItems")
        if not isinstance(more, bool):
            # The spec promises `totalItems` and not `hasNextPage`; neither was ever seen.
            more = page * limit < total if isinstance(total, int) else len(results) >= limit
        return cls(tuple(PhoneNumberView(item) for item in results), more and bool(results))
