"""What the panel tells admins to do is something to do in the panel, at Vapi or on the machine."""

import ast
import re
from pathlib import Path

import pytest

from service.domain.conditions import CONDITIONS
from service.domain.coverage.holes import HOLES
from tests.support.documents import ROOT

CALL = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) /")
SHOWN = ("service/admin", "service/domain/wording", "service/domain/coverage", "service/web/panel")


def test_no_remedy_of_a_condition_or_a_hole_is_a_request() -> None:
    texts = [f"{kind.sentence} {kind.remedy}" for kind in CONDITIONS.values()]
    texts += [f"{hole.text} {hole.remedy}" for hole in HOLES.values()]
    assert [text for text in texts if CALL.search(text)] == []


def test_a_remedy_names_buttons_as_the_panel_does() -> None:
    texts = [kind.remedy for kind in CONDITIONS.values()] + [hole.remedy for hole in HOLES.values()]
    templates = "".join(
        path.read_text() for path in (ROOT / "service/web/panel/templates").rglob("*.html")
    )
    buttons = set(re.findall(r"<button[^>]*>([A-Z][^<{]*)<", templates))
    named = {name for text in texts for name in re.findall(r"choose ([A-Z]\w+ now)", text)}
    assert named == {"Sync now"} <= buttons
    for text in texts:
        if "callgate reconcile" in text:
            assert "Repairs" in text or "in the panel" in text, text


@pytest.mark.parametrize("folder", SHOWN)
def test_no_sentence_that_the_panel_may_show_is_a_request(folder: str) -> None:
    """Docstrings are for developers."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text())
        documented = {
            node.body[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node in documented or not CALL.search(node.value), (path, node.value)


@pytest.mark.parametrize("path", sorted((ROOT / "service/web/panel/templates").rglob("*.html")))
def test_no_template_names_a_request(path: Path) -> None:
    assert not CALL.search(path.read_text())
