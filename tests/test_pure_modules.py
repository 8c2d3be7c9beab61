"""A module that calls itself pure is held to it by the import-linter contract of pure modules."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("service", "policies")
CONTRACTS = "Pure "


def contract() -> list[str]:
    """The modules that the contracts of pure modules name."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    found = [one for one in contracts if one["name"].startswith(CONTRACTS)]
    assert len(found) == 2
    return [name for one in found for name in one["source_modules"]]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> dict[str, str]:
    """The docstring of each module of the product."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {
        name_of(path): ast.get_docstring(ast.parse(path.read_text())) or ""
        for path in sorted(paths)
    }


def is_covered(module: str, names: list[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def test_every_module_that_says_pure_is_in_the_contract() -> None:
    """The policy surface has a stricter contract of its own."""
    pure = [name for name, text in modules().items() if re.search(r"\bPure\b", text)]
    names = [*contract(), "policies"]
    assert len(pure) > 20, "the search finds the docstrings"
    assert [name for name in pure if not is_covered(name, names)] == []


def test_the_contract_names_modules_that_exist() -> None:
    known = modules()
    assert [name for name in contract() if name not in known] == []
