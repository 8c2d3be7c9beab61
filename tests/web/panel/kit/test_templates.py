"""Templates have no logic: they loop, include and print what a view object has decided."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

TEMPLATES = Path(str(files("service.web.panel") / "templates"))
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html"))

FORBIDDEN = (
    nodes.BinExpr,  # and, or, arithmetic
    nodes.Compare,
    nodes.CondExpr,
    nodes.Dict,
    nodes.Neg,
    nodes.Slice,
    nodes.Test,
)
"""Expressions that decide or compute. `~`, which only joins what is printed, is none of them."""

FORMATS = {
    "count", "exact", "iso", "label", "pretty", "reverse", "seconds", "urlencode", "utc", "utc_field",
    "version",
}  # fmt: skip
"""Filters that format a value or turn a list round."""

ENVIRONMENT = jinja2.Environment(autoescape=True)


def is_plain(test: nodes.Node) -> bool:
    """Whether a condition is a name, an attribute, or `not` one of these."""
    if isinstance(test, nodes.Not):
        test = test.node
    while isinstance(test, nodes.Getattr):
        test = test.node
    return isinstance(test, nodes.Name)


def logic_in(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Line and kind of all logic in a template."""
    for node in tree.find_all(FORBIDDEN):
        yield node.lineno, type(node).__name__
    for node in tree.find_all(nodes.Filter):
        if node.name not in FORMATS:
            yield node.lineno, f"filter {node.name}"
    for node in tree.find_all(nodes.Getitem):
        yield node.lineno, "subscript"
    conditions = [(node.lineno, node.test) for node in tree.find_all(nodes.If)]
    conditions += [(node.lineno, node.test) for node in tree.find_all(nodes.For) if node.test]
    for line, test in conditions:
        if not is_plain(test):
            yield line, "condition"


@pytest.mark.parametrize("name", NAMES)
def test_a_template_decides_nothing(name: str) -> None:
    tree = ENVIRONMENT.parse((TEMPLATES / name).read_text())
    assert list(logic_in(tree)) == []


@pytest.mark.parametrize(
    "source",
    [
        "{% if a == b %}{% endif %}",
        "{% if a and b %}{% endif %}",
        "{% if a.b('c') %}{% endif %}",
        "{% if a|length %}{% endif %}",
        "{% if a is none %}{% endif %}",
        "{% if a %}{% elif b > 1 %}{% endif %}",
        "{% for a in b if a.c == 1 %}{% endfor %}",
        "{{ a or b }}",
        "{{ 'c' if a else 'd' }}",
        "{{ {'x': 1}[a] }}",
        "{{ a[b] }}",
        "{{ a[:5] }}",
        "{{ a|join(', ') }}",
        "{{ a + 1 }}",
    ],
)
def test_logic_is_found(source: str) -> None:
    assert list(logic_in(ENVIRONMENT.parse(source)))


def test_loops_conditions_on_attributes_and_formats_are_allowed() -> None:
    source = "{% for a in b %}{% if not a.c %}{{ root ~ a.d|count }}{% endif %}{% endfor %}"
    assert not list(logic_in(ENVIRONMENT.parse(source)))
