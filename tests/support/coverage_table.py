"""The operators' table of where blocked calls are stopped: written by one test run, read by the next."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.documents import OPERATORS

BEGIN, END = "<!-- coverage:begin -->", "<!-- coverage:end -->"
HEAD = ("call", "stopped at", "where", "what is heard", "what is recorded", "seconds connected")


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario of the table."""

    kind: str
    stopped_at: str
    setup: str
    heard: str
    recorded: str
    seconds: float

    @property
    def without_seconds(self) -> tuple[str, ...]:
        """What every run has to agree on."""
        return (self.kind, self.stopped_at, self.setup, self.heard, self.recorded)


def render(rows: Sequence[Row]) -> str:
    """The table in Markdown."""
    lines = [HEAD, ("---",) * (len(HEAD) - 1) + ("---:",)]
    lines += [(*row.without_seconds, f"{row.seconds:.2f}") for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def parse(text: str) -> list[Row]:
    """The rows of a table that `render` made."""
    rows = []
    for line in text.strip().splitlines()[2:]:
        kind, stopped_at, setup, heard, recorded, seconds = line.strip("| ").split(" | ")
        rows.append(Row(kind, stopped_at, setup, heard, recorded, float(seconds)))
    return rows


def parts(text: str) -> tuple[str, str, str]:
    """What stands before, between and after the markers."""
    before, begin, rest = text.partition(BEGIN)
    table, end, after = rest.partition(END)
    assert begin, "the document has lost a marker"
    assert end, "the document has lost a marker"
    return before, table, after


def read() -> list[Row]:
    """The rows that the document shows."""
    return parse(parts(OPERATORS.read_text())[1])


def write(rows: Sequence[Row]) -> None:
    """Put a run's rows into the document."""
    before, _, after = parts(OPERATORS.read_text())
    OPERATORS.write_text(f"{before}{BEGIN}\n{render(rows)}\n{END}{after}")
