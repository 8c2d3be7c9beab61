"""The threat model names a test for each defence, and each named test exists."""

import ast
import re

import pytest

from tests.support.documents import ROOT

THREATS = (ROOT / "service/THREATS.md").read_text()
HOLDS = THREATS.partition("## What holds")[2].partition("## What does not hold")[0]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
NAMED = TEST.findall(HOLDS)


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_each_named_test_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in tree.body if isinstance(node, functions)}


def test_each_defence_names_a_test() -> None:
    lines = [line for line in HOLDS.splitlines() if line.startswith("| ")]
    defences = [line for line in lines if line != "| defence | test |"]
    assert defences
    assert [line for line in defences if not TEST.search(line)] == []


def test_each_attacker_is_met() -> None:
    attackers = THREATS.partition("## Who attacks")[2].partition("##")[0]
    names = re.findall(r"^\| ([a-z][a-z ]+) \|", attackers, re.MULTILINE)
    headings = " ".join(re.findall(r"^### (.*)$", HOLDS, re.MULTILINE)).lower()
    left = [name for name in names if name not in headings and name != "attacker"]
    assert left == ["holder of a secret"], "its heading says whose secret"
