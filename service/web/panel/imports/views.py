"""An import and its rows as pages print them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.admin.imports.csv_file import shown
from service.admin.imports.jobs import Figures
from service.admin.imports.organization_rows import COLUMNS
from service.store.imports.imports import ImportJob, State
from service.store.imports.rows import ImportRecord, Show
from service.web.panel.imports.kinds import WORDS, ImportWords
from service.web.panel.kit.badges import Badge
from service.web.panel.kit.charts import counted
from service.web.panel.kit.choices import Pair
from service.web.panel.kit.links import NONE, TextLink
from service.web.panel.kit.visit import ROOT

STATES: Mapping[State, Badge] = {
    "planned": Badge("Not applied"),
    "applying": Badge("In progress", "wait"),
    "applied": Badge("Imported", "good"),
    "canceled": Badge("Canceled"),
}
WITH_ERRORS = Badge("Imported, with errors", "wait")
UNDONE = Badge("Undone")
UNDONE_IN_PART = Badge("Undone in part")
SHOWS: Mapping[Show, str] = {
    "all": "All rows",
    "failed": "Only errors",
    "waiting": "Not done yet",
    "done": "Done",
    "unchanged": "Unchanged",
}
SHOW_CHOICES: list[Pair] = list(SHOWS.items())


def badge_of(job: ImportJob) -> Badge:
    """The state; of what was imported, whether all of it was, and is still there."""
    if job.has_undone:
        return UNDONE_IN_PART if job.has_left else UNDONE
    return WITH_ERRORS if job.state == "applied" and job.has_errors else STATES[job.state]


def address_of(job: ImportJob) -> str:
    return f"{WORDS[job.kind].address}/{job.id}"


@dataclass(frozen=True, slots=True)
class ImportListRow:
    """An import in the list of imports."""

    job: ImportJob

    @property
    def address(self) -> str:
        return address_of(self.job)

    @property
    def badge(self) -> Badge:
        return badge_of(self.job)


@dataclass(frozen=True, slots=True)
class ImportView:
    """An import with its counts; `undone` of its rows were undone."""

    job: ImportJob
    figures: Figures
    undone: int = 0

    @property
    def words(self) -> ImportWords:
        return WORDS[self.job.kind]

    @property
    def address(self) -> str:
        return address_of(self.job)

    @property
    def badge(self) -> Badge:
        return badge_of(self.job)

    @property
    def is_planned(self) -> bool:
        return self.job.state == "planned"

    @property
    def is_applying(self) -> bool:
        return self.job.state == "applying"

    @property
    def failed(self) -> int:
        return self.figures.became("failed")

    @property
    def lead(self) -> str:
        """A summary of the plan, or of the result."""
        return self.plan_text if self.is_planned else self.result_text

    @property
    def plan_text(self) -> str:
        if not self.figures.to_do:
            hint = " Correct the rows with an error and upload the file again."
            return f"There is nothing to do.{hint if self.failed else ''}"
        return f"Nothing is changed yet.{' Rows with an error are skipped.' if self.failed else ''}"

    @property
    def result_text(self) -> str:
        figures = self.figures
        done, unchanged = counted(figures.became("done")), counted(figures.became("unchanged"))
        text = f"{done} done, {unchanged} unchanged, {counted(self.failed)} failed"
        text = f"{text}, {counted(figures.waiting)} not done." if figures.waiting else f"{text}."
        return f"{text} Undone since: {counted(self.undone)}." if self.undone else text

    @property
    def configures(self) -> bool:
        """Whether webhooks are being configured because of this import."""
        done = self.job.state == "applied" and self.figures.became("done") > self.undone
        return done and self.job.kind == "phone_numbers"

    @property
    def button(self) -> str:
        """The text of the button that applies the plan; "" if there is nothing to apply."""
        to_do = self.figures.to_do
        return f"Apply {counted(to_do)} {'row' if to_do == 1 else 'rows'}" if to_do else ""

    @property
    def undo(self) -> str:
        """The address that undoes the import; "" before it is applied, and once it is undone."""
        done = self.job.state in ("applied", "canceled")
        done = done and self.figures.became("done") > self.undone
        return f"{ROOT}/undo/{self.job.audit_id}" if done and self.job.audit_id else ""

    @property
    def changes(self) -> str:
        """The address of the changes that its rows made."""
        return f"{ROOT}/audit?part_of={self.job.audit_id}" if self.job.audit_id else ""

    @property
    def cards(self) -> list["ImportCard"]:
        figures = self.figures
        unchanged = self.card("Unchanged", figures.became("unchanged"), "unchanged")
        failed = self.card("With an error", self.failed, "failed")
        if not self.is_planned:
            return [
                self.card("Done", figures.became("done"), "done"),
                self.card("Not done", figures.waiting, "waiting"),
                unchanged,
                failed,
            ]
        return [
            ImportCard("To add", figures.planned("create")),
            ImportCard("To change", figures.planned("update")),
            unchanged,
            failed,
        ]

    def card(self, name: str, rows: int, show: Show) -> "ImportCard":
        """A figure that leads to its rows."""
        return ImportCard(name, rows, f"{self.address}?show={show}")

    @property
    def done(self) -> int:
        """Rows of the plan that are done."""
        return self.figures.to_do - self.figures.waiting

    @property
    def result_title(self) -> str:
        return "Planned" if self.is_planned else "Result"


@dataclass(frozen=True, slots=True)
class ImportCard:
    """How many rows a result has; `address` lists them."""

    name: str
    rows: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class RecordCell:
    """A cell of a row, under the head of its place."""

    text: TextLink
    wide: bool


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A row of an import; `title` is its first cell."""

    line: int
    title: TextLink
    cells: Sequence[RecordCell]
    badge: Badge
    message: str


def record_row(record: ImportRecord, job: ImportJob) -> RecordRow:
    links = number_links(record) if job.kind == "phone_numbers" else organization_links(record)
    title, *others = links
    heads = WORDS[job.kind].heads[1:]
    return RecordRow(
        record.line,
        title,
        [RecordCell(text, head.wide) for text, head in zip(others, heads, strict=True)],
        record_badge(record, job),
        record.message or "",
    )


def number_links(record: ImportRecord) -> list[TextLink]:
    """Number, organization, label and gate of a row."""
    plan: Mapping[str, Any] = record.plan
    return [
        link_to(plan["number"] or plan["phone_number"], "numbers", record.phone_number_id),
        link_to(plan["organization"], "organizations", plan["organization_id"]),
        TextLink(plan["label"] or "—", ""),
        TextLink((plan["gate"] or "—").capitalize(), ""),
    ]


def organization_links(record: ImportRecord) -> list[TextLink]:
    """Name, external id, plan and end of the trial of a row, as the file gives them."""
    given = dict(zip(COLUMNS, record.given or (), strict=False))
    cells = {name: shown(given.get(name, "")) for name in COLUMNS}
    plan = ", ".join(filter(None, (cells["plan"], cells["status"])))
    ends = cells["current_period_end"]
    return [
        link_to(cells["name"], "organizations", record.organization_id),
        TextLink(cells["external_id"] or "—", ""),
        TextLink(f"{plan} until {ends}" if ends else plan or "—", ""),
        TextLink(cells["trial_ends_at"] or "—", ""),
    ]


def link_to(text: str, place: str, object_id: object) -> TextLink:
    """A text with the page of its object, if there is one."""
    if not text:
        return NONE
    return TextLink(text, f"{ROOT}/{place}/{object_id}" if object_id else "")


def record_badge(record: ImportRecord, job: ImportJob) -> Badge:
    """The result of a row, or its planned change."""
    creates = record.action == "create"
    match record.outcome, job.state:
        case "failed", _:
            return Badge("Error", "bad")
        case "unchanged", _:
            return Badge("Unchanged")
        case "done", _:
            return Badge("Added" if creates else "Changed", "good")
        case _, "planned":
            return Badge("Add" if creates else "Change")
        case _, "applying":
            return Badge("Waiting")
    return Badge("Not done")
