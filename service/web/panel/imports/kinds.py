"""The kinds of imports as the panel shows them: their addresses, words and columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.admin.imports.number_rows import COLUMNS as NUMBER_COLUMNS
from service.admin.imports.organization_rows import COLUMNS as ORGANIZATION_COLUMNS
from service.store.imports.imports import Kind
from service.web.panel.kit.visit import ROOT


@dataclass(frozen=True, slots=True)
class ColumnHelp:
    """A column of the file, and what its cells hold."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ColumnHead:
    """A head of the table of rows; a wide one is hidden on a phone."""

    name: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class ImportWords:
    """One kind. `place` is its list's path below the panel's root; `example` has the header first."""

    kind: Kind
    place: str
    name: str
    help: Sequence[ColumnHelp]
    heads: Sequence[ColumnHead]
    example: Sequence[Sequence[str]]

    @property
    def path(self) -> str:
        """The path of the kind's imports below the panel's root."""
        return f"/{self.place}/import"

    @property
    def address(self) -> str:
        return f"{ROOT}{self.path}"

    @property
    def list_address(self) -> str:
        return f"{ROOT}/{self.place}"

    @property
    def title(self) -> str:
        return f"Import {self.place}"

    @property
    def file_name(self) -> str:
        return f"{self.place}.csv"


NUMBERS = ImportWords(
    "phone_numbers",
    "numbers",
    "Numbers",
    (
        ColumnHelp(
            "phone_number",
            "The number, such as +15551234567, or its id at Vapi. Format the column as text, or the "
            "spreadsheet removes the plus.",
        ),
        ColumnHelp("organization", "Its id, its external id or its exact name."),
        ColumnHelp("label", "Your name for the number. Optional."),
        ColumnHelp(
            "gate",
            "event or request. Empty: event for a new number, unchanged for a registered one.",
        ),
    ),
    (
        ColumnHead("Number"),
        ColumnHead("Organization"),
        ColumnHead("Label", wide=True),
        ColumnHead("Gate", wide=True),
    ),
    (
        NUMBER_COLUMNS,
        ("+15551234567", "Bakery", "Front desk", "event"),
        ("5f1c2a9e-6f0b-4c58-9a53-3c1f3f0b7d10", "customer-42", "Orders", ""),
    ),
)
ORGANIZATIONS = ImportWords(
    "organizations",
    "organizations",
    "Organizations",
    (
        ColumnHelp("name", "The organization's name. The only column that is required."),
        ColumnHelp(
            "external_id",
            "The id in your own system. A row finds its organization by it, else by the exact name.",
        ),
        ColumnHelp(
            "plan, status",
            "Its plan and the plan's state in Stripe's words, such as active or past_due. Give both "
            "or none.",
        ),
        ColumnHelp("current_period_end", "When the plan's period ends, such as 2030-01-31."),
        ColumnHelp("trial_ends_at", "When its trial ends, such as 2030-01-31."),
        ColumnHelp("blocked_message", "What its blocked callers hear."),
        ColumnHelp("time_zone", "The time zone of its days and months, such as Europe/Berlin."),
    ),
    (
        ColumnHead("Name"),
        ColumnHead("External id", wide=True),
        ColumnHead("Plan", wide=True),
        ColumnHead("Trial ends", wide=True),
    ),
    (
        ORGANIZATION_COLUMNS,
        ("Bakery", "customer-42", "pro", "active", "2030-01-31", "", "", "Europe/Berlin"),
        ("Florist", "customer-43", "", "", "", "2030-01-31", "", ""),
    ),
)
WORDS: Mapping[Kind, ImportWords] = {words.kind: words for words in (NUMBERS, ORGANIZATIONS)}
