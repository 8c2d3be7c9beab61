"""Numbers at Vapi as imports see them, and what Vapi said about those that a file names. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from yarl import URL

from policies.host.ids import canonical_id, is_vapi_id
from policies.host.marks import HIDDEN
from service.admin.imports.csv_file import MAX_TEXT
from service.vapi.bindings import BINDINGS
from service.vapi.resources import PhoneNumberView, text


@dataclass(frozen=True, slots=True)
class VapiNumber:
    """A number at Vapi. `answered_by` is bound to it, in Vapi's terms (`assistantId`, …).

    `webhook_url` has no user name, password or query, which may be secrets.
    """

    id: str
    number: str | None = None
    name: str | None = None
    answered_by: Mapping[str, str] = field(default_factory=dict)
    webhook_url: str | None = None

    @classmethod
    def of(cls, view: PhoneNumberView) -> "VapiNumber | None":
        """Build it from a view; None for an object without a valid id."""
        if view.id is None or not is_vapi_id(view.id):
            return None
        bound = {name: text(view.raw.get(name)) for name in BINDINGS}
        url = view.server.get("url") if view.server else None
        return cls(
            canonical_id(view.id),
            plain(view.number),
            plain(view.name),
            {key: value for key, value in bound.items() if value},
            plain_url(url) if isinstance(url, str) and url else None,
        )


@dataclass(slots=True)
class KnownNumbers:
    """Vapi's answers about the requested numbers.

    `refused` are ids that Vapi does not know, with its reason. `problem` is why not all could be
    checked: then a missing number may or may not exist at Vapi.
    """

    by_id: dict[str, VapiNumber] = field(default_factory=dict)
    by_number: dict[str, list[VapiNumber]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    problem: str | None = None

    def add(self, number: VapiNumber) -> None:
        self.by_id[number.id] = number
        if number.number is not None:
            same = self.by_number.setdefault(number.number, [])
            if number.id not in [other.id for other in same]:
                same.append(number)


def plain(text: str | None) -> str | None:
    """A text without invisible characters and invalid ones."""
    cleaned = HIDDEN.sub("", text or "").encode("utf-8", "ignore").decode().strip()
    return cleaned[:MAX_TEXT] or None


def plain_url(text: str) -> str:
    """A URL without the parts that may be secrets."""
    try:
        return plain(str(URL(text).with_user(None).with_query(None).with_fragment(None))) or ""
    except ValueError:
        return "(not a URL)"
