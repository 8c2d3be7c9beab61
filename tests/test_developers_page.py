"""The page for developers is true: layers, grid, answers and every name in it exist."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.support.documents import (
    CODE,
    DEVELOPERS,
    FENCE,
    ROOT,
    code,
    column,
    is_path,
    names_in,
    rows,
    section,
)


def places(text: str) -> tuple[list[Path], set[str]]:
    """The paths in a text, which must exist, and the names of classes, functions and constants."""
    words = code(text)
    paths = [word for word in words if is_path(word)]
    for path in paths:
        assert (ROOT / path).exists(), path
    names = {
        word.removesuffix("()")
        for word in words
        if re.fullmatch(r"[A-Z][a-z]\w+|[A-Z][A-Z_]{3,}|[a-z_]+\(\)", word)
    }
    return [ROOT / path for path in paths], names


def python_files() -> Iterator[Path]:
    for room in ("service", "policies", "migrations", "tests"):
        yield from (ROOT / room).rglob("*.py")


def test_every_room_has_a_row_among_the_layers() -> None:
    listed = {word.rstrip("/") for word in column(section(DEVELOPERS, "Layers"))}
    with (ROOT / "pyproject.toml").open("rb") as opened:
        contracts = tomllib.load(opened)["tool"]["importlinter"]["contracts"]
    layers = next(found["layers"] for found in contracts if found["name"].startswith("Layers"))
    rooms = {room.strip().replace(".", "/") for layer in layers for room in layer.split("|")}
    assert {word.removesuffix(".py") for word in listed} == rooms


def test_the_grid_shows_where_each_noun_is_in_each_layer() -> None:
    text = section(DEVELOPERS, "The grid")
    (layers,) = (CODE.findall(line) for line in text.splitlines() if line.startswith("| noun |"))
    for noun, *cells in rows(text):
        for layer, cell in zip(layers, cells, strict=True):
            folder = ROOT / layer
            found = {
                str(path.relative_to(folder))
                for path in (*folder.glob(f"{noun}.py"), *folder.glob(f"*/{noun}.py"))
            }
            found |= {f"{noun}/"} if (folder / noun).is_dir() else set()
            shown = set(CODE.findall(cell))
            assert shown <= found, (noun, layer)
            assert len(shown) == bool(found), (noun, layer, found)


def test_twenty_questions_have_answers_that_exist() -> None:
    answers = list(rows(section(DEVELOPERS, "Twenty questions")))
    assert len(answers) >= 20
    for question, answer in answers:
        paths, names = places(answer)
        assert paths, question
        for name in names:
            assert any(name in names_in(path) for path in paths if path.suffix == ".py"), name


def test_what_the_page_for_developers_names_exists() -> None:
    """A name in a line stands in one of the files that the line names, or somewhere at all."""
    everything = set[str]().union(*(names_in(path) for path in python_files()))
    for line in FENCE.sub("", DEVELOPERS.read_text()).splitlines():
        _, names = places(line)
        assert names <= everything, line
