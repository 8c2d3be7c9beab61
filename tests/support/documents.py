"""Reading the repository's documents: sections, tables, code and links."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
OPERATORS = ROOT / "deploy" / "README.md"
AUTHORS = ROOT / "policies" / "README.md"
DEVELOPERS = ROOT / "service" / "README.md"

ROOMS = ("service/", "policies/", "migrations/", "tests/", "deploy/", ".ci/")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def documents() -> list[Path]:
    """Every document of the repository."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("tests/bench/results/*.md")]
    assert {README, OPERATORS, AUTHORS, DEVELOPERS} <= set(found)
    return sorted(found)


def section(document: Path, title: str) -> str:
    """The text under a heading, to the next heading of the same level or a higher one."""
    text = document.read_text()
    heading = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    assert heading is not None, f"{document.name} has no section {title!r}"
    rest = text[heading.end() :]
    end = re.search(rf"^#{{1,{len(heading[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> Iterator[list[str]]:
    """The rows of every table in a text, without their heads."""
    head = True
    for line in text.splitlines():
        if not line.startswith("|"):
            head = True
        elif re.fullmatch(r"[|:\- ]+", line):
            head = False
        elif not head:
            yield [cell.strip() for cell in line[1:-1].split(" | ")]


def code(text: str) -> set[str]:
    """What stands in backticks, fences left out."""
    return set(CODE.findall(FENCE.sub("", text)))


def column(text: str, index: int = 0) -> list[str]:
    """What stands in backticks in one column of every table in a text."""
    return [word for cells in rows(text) for word in CODE.findall(cells[index])]


def commands(text: str) -> list[str]:
    """What stands in the shell fences of a text, without the indent of its list."""
    fences = re.findall(r"^( *)```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return ["\n".join(line[len(indent) :] for line in f.splitlines()) for indent, f in fences]


def links(text: str) -> set[str]:
    """The targets of links and pictures."""
    return set(re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of a document's headings."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@cache
def names_in(path: Path) -> frozenset[str]:
    """Everything that a Python module defines: classes, functions, methods, constants, fields."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                found.add(name)
            case ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
    return frozenset(found)


def is_path(word: str) -> bool:
    """Whether it names a file or folder of the repository."""
    return re.fullmatch(r"[\w.-]+/[\w./-]*", word) is not None and word.startswith(ROOMS)
