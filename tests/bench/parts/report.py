"""The findings of a part of the benchmark, and their document: tables, pictures, figures as JSON."""

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson

from tests.support.load import CORES, Spread

FIGURES = "figures.json"
HOW = """Server on one core; load and PostgreSQL on the others. Servers that are compared were measured
in turn, round by round; a figure is the median of the rounds, with the smallest and the largest one."""
BEGIN, END = "<!--figures-->", "<!--/figures-->"


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that has a goal: `limit` is the most it may be, or with `least` the least."""

    name: str
    value: float
    limit: float
    unit: str
    least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.least else self.value <= self.limit

    @property
    def row(self) -> Sequence[str]:
        sign = "≥" if self.least else "<"
        unit = f" {self.unit}" if self.unit else ""
        goal = f"{sign} {self.limit:g}{unit}"
        return (
            self.name,
            goal,
            f"{format_figure(self.value)}{unit}",
            "yes" if self.met else "**no**",
        )


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the document with a text above it."""

    title: str
    text: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    chart: str = ""
    """The file of its picture."""

    def lines(self) -> Iterable[str]:
        yield from (f"## {self.title}", "", self.text, "")
        yield from table_lines(self.head, self.rows)
        if self.chart:
            yield from ("", f"![{self.title}]({self.chart})")
        yield ""


@dataclass(slots=True)
class Part:
    """The result of one part. `failures` are answers and events other than the expected ones."""

    tables: list[Table] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    charts: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    readme: Sequence[Sequence[str]] = ()
    """The rows of the short table in the repository's README."""

    def add(self, other: "Part") -> None:
        self.tables += other.tables
        self.goals += other.goals
        self.figures |= other.figures
        self.charts |= other.charts
        self.failures += other.failures
        self.readme = [*self.readme, *other.readme]


def format_figure(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}"


def format_spread(spread: Spread) -> str:
    """The median, with the smallest and the largest figure."""
    least, most = format_figure(spread.least), format_figure(spread.most)
    return f"{format_figure(spread.median)} ({least}–{most})"


def table_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def machine() -> str:
    """What the figures were measured on."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores = len(CORES)
    at = datetime.now(UTC).strftime("%Y-%m-%d")
    processors = f"{cores} cores of {model}" if model else f"{cores} cores"
    return f"{at}, {processors}, Python {platform.python_version()}"


def write(part: Part, folder: Path, where: str, command: str) -> None:
    """Write the document, its pictures and the figures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["# Measured side by side", "", f"Made by `{command}` ({where}). {HOW}", ""]
    if "--quick" in command:
        lines += [
            "**A quick run: it shows that everything runs, and its figures mean nothing.**",
            "",
        ]
    if part.goals:
        rows = [goal.row for goal in part.goals]
        lines += ["## Goals", "", *table_lines(("figure", "goal", "measured", "met"), rows), ""]
    for table in part.tables:
        lines += table.lines()
    if part.failures:
        lines += ["## Failures", "", *(f"- {failure}" for failure in part.failures), ""]
    (folder / "README.md").write_text("\n".join(lines).rstrip() + "\n")
    for name, chart in part.charts.items():
        (folder / name).write_text(chart)
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    (folder / FIGURES).write_bytes(orjson.dumps(part.figures, option=options) + b"\n")


def write_readme(part: Part, readme: Path) -> None:
    """Put the short table between its marks in the repository's README; few words, as it is short."""
    text = readme.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "".join(f"|{'|'.join(row)}|\n" for row in short_rows(part))
    readme.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{after}")


def short_rows(part: Part) -> Iterable[Sequence[str]]:
    yield "one core", "messages/s", "p99", "of the ceiling"
    yield ("---",) * 4
    yield from part.readme
