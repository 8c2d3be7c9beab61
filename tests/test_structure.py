"""The house keeps its shape: one name for each concept, one place for each noun, small pieces.

`service/README.md` explains the grid. A change that adds a name to it says here where it belongs.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = ("service", "policies", "migrations")
PARTS_OF_PRODUCT = [path for name in PRODUCT for path in sorted((ROOT / name).rglob("*.py"))]
PYTHON = [*PARTS_OF_PRODUCT, *sorted((ROOT / "tests").rglob("*.py"))]

MOST_FILES = 22
MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 70

HISTORY = ROOT / "migrations/versions"
"""A migration that has run anywhere is never edited, so it is not split either."""

ROWS = {
    "domain": ROOT / "service/domain",
    "store": ROOT / "service/store",
    "admin": ROOT / "service/admin",
    "api": ROOT / "service/web/api",
    "panel": ROOT / "service/web/panel",
    "cli": ROOT / "service/cli",
}

GRID = """
                  domain  store  admin  api  panel  cli
organizations     x       x      x      x    x      x
phone_numbers     x       x      x      x    x      x
unknown_numbers   .       x      x      x    x      .
reconcile         x       x      x      x    x      x
calls             x       x      x      x    x      x
relay             x       x      x      x    x      .
usage             x       x      x      x    x      x
policies          x       x      x      x    x      x
people            x       x      x      .    x      x
tokens            .       x      x      x    x      x
audit             x       x      .      x    x      .
imports           .       x      x      x    x      x
doctor            .       x      x      .    x      x
coverage          x       x      x      x    .      .
"""
"""Which noun has a file or a folder of its name in which row, at any depth (`people/tokens.py`)."""

BESIDE = {
    "domain": {
        "access_times", "call_events", "call_records", "condition_kinds", "conditions",
        "decisions", "errors", "fingerprint", "handling", "instants", "network",
        "organization_secret", "priority", "standing", "sweeps", "texts", "wording",
    },
    "store": {
        "beside", "bounded", "clock", "failures", "held_databases", "idempotency_keys", "installation",
        "keepalive", "leases", "limits", "own_connections", "patterns", "pool", "pooling",
        "postgres", "queue", "retention", "roles", "schema", "signatures", "vault",
    },
    "admin": {
        "actor", "changes", "conditions", "deciding_cases", "errors", "overview", "requests",
        "stored_cases", "timeline", "undo", "use_cases",
    },
    "api": {
        "access", "application", "build", "examples", "idempotency", "json_body",
        "openapi", "operations", "preconditions", "query_texts", "static",
    },
    "panel": {"application", "build", "kit", "overview", "static", "templates"},
    "cli": {
        "errors", "explain", "given", "lazy", "migrate", "policy_kit", "progress", "progress_bars",
        "running", "running_service", "secrets", "serve",
    },
}  # fmt: skip
"""What stands in a row beside the nouns: what several of them share."""


def cells() -> dict[str, set[str]]:
    """The grid as sets: the nouns of each row."""
    header, *lines = (line.split() for line in GRID.strip().splitlines())
    found: dict[str, set[str]] = {row: set() for row in header}
    for noun, *marks in lines:
        for row, mark in zip(header, marks, strict=True):
            if mark == "x":
                found[row].add(noun)
    return found


NOUNS = {line.split()[0] for line in GRID.strip().splitlines()[1:]}


def names_in(folder: Path) -> set[str]:
    """The modules and folders right in a folder."""
    return {
        path.stem
        for path in folder.iterdir()
        if (path.suffix == ".py" or path.is_dir()) and not path.name.startswith(("_", "."))
    }


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


@pytest.mark.parametrize("row", ROWS)
def test_each_noun_has_its_name_in_each_row(row: str) -> None:
    found = {path.stem for path in ROWS[row].rglob("*") if path.suffix in (".py", "")}
    assert found & NOUNS == cells()[row]


@pytest.mark.parametrize("row", ROWS)
def test_nothing_else_stands_in_a_row(row: str) -> None:
    """A new name is a noun of the grid, or something that several nouns share."""
    assert names_in(ROWS[row]) - NOUNS == BESIDE[row]


def test_tests_mirror_the_tree() -> None:
    """Except for whole stories, attacks, faults of the surroundings and the browser."""
    own = {
        "attacks",
        "bench",
        "browser",
        "data",
        "faults",
        "plugins",
        "scenarios",
        "simulation",
        "support",
    }
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        folder = path.parent.relative_to(ROOT / "tests")
        if not folder.parts or folder.parts[0] in own:
            continue
        mirrored = ROOT / "service" / folder, ROOT / folder
        found = any(place.is_dir() or place.with_suffix(".py").is_file() for place in mirrored)
        assert found, f"tests/{folder} mirrors no folder and no module"


def public_classes() -> Iterator[tuple[str, Path]]:
    """Every public class at the top of a module, without the shapes that the API's documents name."""
    for path in PARTS_OF_PRODUCT:
        if path.is_relative_to(ROOT / "service/web/shapes"):
            continue
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, path.relative_to(ROOT)


def test_a_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for name, path in public_classes():
        places.setdefault(name, []).append(str(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_folders_are_small() -> None:
    folders = {path.parent for path in PARTS_OF_PRODUCT} - {ROOT / "service/sandbox", HISTORY}
    counts = {str(folder.relative_to(ROOT)): len([*folder.glob("*.py")]) for folder in folders}
    assert {name: count for name, count in counts.items() if count > MOST_FILES} == {}


def test_files_are_short() -> None:
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in PYTHON
        if not path.is_relative_to(HISTORY)
    }
    assert {name: count for name, count in lines.items() if count > MOST_LINES_OF_A_FILE} == {}


def test_functions_are_short() -> None:
    found = {}
    for path in PYTHON:
        if path.is_relative_to(HISTORY):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    found[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert found == {}


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, by their full names."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    ("side", "other"), [("panel", "api"), ("api", "panel"), ("shapes", "api"), ("shapes", "panel")]
)
def test_panel_and_api_share_shapes_and_nothing_else(side: str, other: str) -> None:
    for path in sorted((ROOT / "service/web" / side).rglob("*.py")):
        names = [name for name in imported(path) if name.startswith(f"service.web.{other}")]
        assert names == [], path


def test_no_test_patches_a_constant() -> None:
    """A limit that a test has to change is a field or an argument; `setattr` is for objects."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        modules = {
            alias.asname or alias.name
            for node in tree_of(path).body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if is_module(f"{node.module}.{alias.name}")
        }
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "monkeypatch.setattr":
                target = ast.unparse(node.args[0])
                assert target not in modules, path
                assert not target.startswith(("'", '"')), path


def is_module(name: str) -> bool:
    place = ROOT / name.replace(".", "/")
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()
