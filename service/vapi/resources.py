"""Views of Vapi's objects: properties for the few fields that we read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from policies.host.ids import id_of


def text(value: object) -> str | None:
    """A non-empty text; None for anything else."""
    return value if isinstance(value, str) and value else None


def instant(value: object) -> datetime | None:
    """A time with its zone, within the years that PostgreSQL stores here."""
    try:
        at = datetime.fromisoformat(text(value) or "")
    except ValueError:
        return None
    if not 2000 < at.year < 2200:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def mapping(value: object) -> Mapping[str, Any]:
    """An object; empty for anything else."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> tuple[Mapping[str, Any], ...]:
    """The objects of a list; empty for anything else."""
    items = value if isinstance(value, list | tuple) else ()
    return tuple(item for item in items if isinstance(item, Mapping))


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list; empty for anything else."""
    items = value if isinstance(value, list | tuple) else ()
    return tuple(item for item in items if isinstance(item, str) and item)


@dataclass(frozen=True, slots=True)
class ServerView:
    """The common fields of objects that can have a server: where their events go."""

    raw: Mapping[str, Any]

    @property
    def id(self) -> str | None:
        return id_of(self.raw.get("id"))

    @property
    def name(self) -> str | None:
        return text(self.raw.get("name"))

    @property
    def org_id(self) -> str | None:
        """The Vapi organization that owns it."""
        return text(self.raw.get("orgId"))

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

    @property
    def hides_secret(self) -> bool:
        """Whether its server has a secret that Vapi does not show: once replaced, it is lost."""
        server = mapping(self.raw.get("server"))
        told = self.raw.get("isServerUrlSecretSet"), server.get("isServerUrlSecretSet")
        shown = server.get("secret") or self.raw.get("serverUrlSecret")
        return True in told and not shown

    @property
    def url(self) -> str | None:
        """Where its events go: from the server block, or from the legacy field."""
        return text(mapping(self.raw.get("server")).get("url")) or self.server_url

    @property
    def url_field(self) -> str:
        """The name of the field that `url` comes from."""
        named = text(mapping(self.raw.get("server")).get("url"))
        return "server.url" if named or not self.server_url else "serverUrl"


@dataclass(frozen=True, slots=True)
class ToolView(ServerView):
    """A tool from `GET /tool/{id}`, or inline in an assistant, then without an id."""

    @property
    def name(self) -> str | None:
        """Its name, or else the name of its function."""
        return text(self.raw.get("name")) or text(mapping(self.raw.get("function")).get("name"))


@dataclass(frozen=True, slots=True)
class AssistantView(ServerView):
    """An assistant from `GET /assistant/{id}`; overrides have the same fields."""

    @property
    def has_model(self) -> bool:
        """Whether it has a model: overrides with a model replace all tools."""
        return bool(mapping(self.raw.get("model")))

    @property
    def tools(self) -> tuple[ToolView, ...]:
        """Its inline tools."""
        return tuple(ToolView(raw) for raw in mappings(mapping(self.raw.get("model")).get("tools")))

    @property
    def tool_ids(self) -> tuple[str, ...]:
        """The ids of its saved tools."""
        return texts(mapping(self.raw.get("model")).get("toolIds"))

    @property
    def appended_tools(self) -> tuple[ToolView, ...]:
        """Tools that overrides add to those of the assistant."""
        return tuple(ToolView(raw) for raw in mappings(self.raw.get("tools:append")))


@dataclass(frozen=True, slots=True)
class SquadMemberView:
    """A member of a squad: a saved assistant by its id, or an inline one."""

    raw: Mapping[str, Any]

    @property
    def assistant_id(self) -> str | None:
        return id_of(self.raw.get("assistantId"))

    @property
    def assistant_version(self) -> str | None:
        """The version that the member is pinned to; `GET /assistant/{id}` gives the latest."""
        return text(self.raw.get("assistantVersion"))

    @property
    def assistant(self) -> AssistantView | None:
        inline = self.raw.get("assistant")
        return AssistantView(inline) if isinstance(inline, Mapping) else None

    @property
    def overrides(self) -> AssistantView:
        """The squad's overrides of the assistant; empty if there are none."""
        return AssistantView(mapping(self.raw.get("assistantOverrides")))


@dataclass(frozen=True, slots=True)
class SquadView(ServerView):
    """A squad from `GET /squad/{id}`. It has no server itself: its members and overrides have."""

    @property
    def members(self) -> tuple[SquadMemberView, ...]:
        return tuple(SquadMemberView(raw) for raw in mappings(self.raw.get("members")))

    @property
    def assistant_ids(self) -> tuple[str, ...]:
        """The saved assistants among its members, each once."""
        return tuple(dict.fromkeys(item.assistant_id for item in self.members if item.assistant_id))

    @property
    def overrides(self) -> AssistantView:
        """The overrides for all members; they take precedence over a member's own overrides."""
        return AssistantView(mapping(self.raw.get("membersOverrides")))


@dataclass(frozen=True, slots=True)
class WorkflowView(ServerView):
    """A workflow from `GET /workflow/{id}`."""

    @property
    def tools(self) -> tuple[ToolView, ...]:
        """The inline tools of its nodes: of tool nodes, and of conversation nodes."""
        nodes = mappings(self.raw.get("nodes"))
        found = [raw for node in nodes for raw in (node.get("tool"), *mappings(node.get("tools")))]
        return tuple(ToolView(raw) for raw in mappings(found))

    @property
    def tool_ids(self) -> tuple[str, ...]:
        """The ids of the saved tools of its nodes."""
        nodes = mappings(self.raw.get("nodes"))
        return texts(
            [item for node in nodes for item in (node.get("toolId"), *texts(node.get("toolIds")))]
        )


@dataclass(frozen=True, slots=True)
class PhoneNumberView(ServerView):
    """A phone number from `GET /phone-number/{id}`."""

    @property
    def provider(self) -> str | None:
        return text(self.raw.get("provider"))

    @property
    def number(self) -> str | None:
        return text(self.raw.get("number")) or text(self.raw.get("sipUri"))

    @property
    def answers_texts(self) -> bool:
        """Whether Vapi answers text messages to it: only those of Twilio, unless that is off."""
        return self.provider == "twilio" and self.raw.get("smsEnabled") is not False

    @property
    def assistant_id(self) -> str | None:
        return id_of(self.raw.get("assistantId"))

    @property
    def squad_id(self) -> str | None:
        return id_of(self.raw.get("squadId"))

    @property
    def workflow_id(self) -> str | None:
        return id_of(self.raw.get("workflowId"))
