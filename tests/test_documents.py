"""The documents are true: what exists is found in its document, and what it names exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from policies import hookspecs
from policies.host.settings import variable_of
from service.access.policies.external import ExternalSettings
from service.cli import app
from service.domain.audit import ACTIONS
from service.domain.conditions import CONDITIONS
from service.domain.errors import CallgateError, InvalidError
from service.domain.handling import Handling
from service.domain.people import ROLES, SCOPES
from service.domain.phone_numbers import SyncState
from service.settings import Settings
from service.settings.secret_files import secret_names
from service.web.shapes.calls import CallFilterQuery
from tests.domain.test_errors import ALL as ERRORS
from tests.support.documents import (
    AUTHORS,
    FENCE,
    OPERATORS,
    README,
    ROOT,
    anchors,
    code,
    column,
    documents,
    is_path,
    links,
    rows,
    section,
)
from tests.support.service import Replica

MOST_WORDS = 1200
MOST_PICTURE_BYTES = 250_000
SETTING = re.compile(r"\b((?:VAPI|CALLGATE|NEXT_PUBLIC|DATABASE)_[A-Z_]*[A-Z])\b")
COMMAND = re.compile(r"\bcallgate ((?:[a-z]+ ?){1,2})")
OPERATION = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (…?)(/[\w{}/?=-]+)")
UNVERSIONED = ("/healthz", "/readyz", "/metrics", "/api/vapi/webhook", "/call/{id}")
"""What is named beside the admin API; the last one is Vapi's."""


def settings() -> set[str]:
    return {name.upper() for name, field in Settings.model_fields.items() if not field.exclude}


def commands() -> dict[str, set[str]]:
    """Every command with its options; hidden options are for the service itself."""

    def walk(group: Any, path: str) -> Iterator[tuple[str, set[str]]]:
        for name in group.list_commands(None):
            command = group.get_command(None, name)
            if hasattr(command, "list_commands"):
                yield from walk(command, f"{path} {name}")
                if not command.invoke_without_command:
                    continue
            options = [entry for entry in command.params if not getattr(entry, "hidden", False)]
            names = {word for entry in options for word in entry.opts if word.startswith("--")}
            yield f"{path} {name}", names

    return dict(walk(typer.main.get_command(app), "callgate"))


def calls_in(folder: str) -> Iterator[ast.Call]:
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield node


def texts(node: ast.Call) -> list[str]:
    """The texts among a call's positional arguments, in both branches of a condition."""
    branches = list[ast.expr]()
    for argument in node.args:
        branches += (
            [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
        )
    constants = [branch.value for branch in branches if isinstance(branch, ast.Constant)]
    return [value for value in constants if isinstance(value, str)]


def reasons() -> set[str]:
    """What the built-in policies answer, and the reasons that the service gives by itself."""
    found = set[str]()
    for node in calls_in("policies"):
        if isinstance(node.func, ast.Name) and node.func.id in ("allow", "deny", "abstain"):
            found.update(texts(node))
    for path in (ROOT / "policies").glob("*.py"):
        listed = re.search(r"^REASONS = [A-Z_, ()]+ = ([^=]*?)\n\n", path.read_text(), re.MULTILINE)
        found.update(ast.literal_eval(listed[1].strip()) if listed else ())
    for path in (ROOT / "service" / "access").rglob("*.py"):
        found.update(re.findall(r'^[A-Z]+_REASON = "([a-z_]+)"', path.read_text(), re.MULTILINE))
    return found


def error_codes() -> set[str]:
    """Codes of error classes, and those that the web layer gives by itself."""
    found = {kind.code for kind in ERRORS}
    for node in calls_in("service/web"):
        name = getattr(node.func, "id", "")
        if name in ("problem", "problem_body", "InputError") and texts(node):
            found.add(texts(node)[0])
    return found | {"http_error", "malformed_json", "unfit_value"}


ROWS = ("csv_file", "number_rows", "organization_rows")


def row_codes() -> set[str]:
    """Codes that a row of an import may carry: its cells' faults, and what the plan finds."""
    imports = ROOT / "service" / "admin" / "imports"
    cells = "".join((imports / f"{name}.py").read_text() for name in ROWS)
    plan = (imports / "plan.py").read_text()
    plan += " " + " ".join(
        re.findall(r"raise (\w+)", (imports / "organization_imports.py").read_text())
    )
    found = set(re.findall(r'(?:CellError\(\s*|^    code = )"([a-z_]+)"', cells, re.MULTILINE))
    found |= {f"invalid_{name}" for name in re.findall(r'parse_named\(.*?"([a-z_]+)"\)', cells)}
    named = {kind.code for kind in ERRORS if re.search(rf"\b{kind.__name__}\b", plan)}
    return found | named - {kind.code for kind in (CallgateError, InvalidError)}


TABLES = [
    ("Settings", settings()),
    ("Reasons", reasons()),
    ("Error codes", error_codes()),
    ("Commands", set(commands())),
]


@pytest.mark.parametrize(("title", "known"), TABLES, ids=[title for title, _ in TABLES])
def test_a_table_for_operators_has_a_row_for_each_and_no_other(title: str, known: set[str]) -> None:
    listed = column(section(OPERATORS, title))
    assert sorted(listed) == sorted(known)


def test_codes_of_rows_of_an_import_are_listed() -> None:
    told = re.search(r"^Rows of an import.*$", section(OPERATORS, "Error codes"), re.MULTILINE)
    assert told is not None
    assert code(told[0]) == row_codes()


def test_states_of_numbers_and_choices_of_handling_are_explained() -> None:
    assert column(section(OPERATORS, "Webhooks and repairs")) == [
        *("in_sync", "pending", "drifted", "shadowed", "missing", "failed", "paused")
    ]
    assert {state.value for state in SyncState} == set(
        column(section(OPERATORS, "Webhooks and repairs"))
    )
    gates = code(section(OPERATORS, "Gates and coverage"))
    assert set(Handling.__dataclass_fields__) <= gates


def test_filters_of_calls_are_listed() -> None:
    (told,) = re.findall(r"`GET /calls` finds by (.*?) per page", OPERATORS.read_text())
    assert set(CallFilterQuery.model_fields) <= code(told)


def test_roles_and_scopes_are_explained() -> None:
    text = section(OPERATORS, "People and tokens")
    assert column(text) == list(ROLES)
    listed = re.search(r"optionally scopes: (.*?)\.", text)
    assert listed is not None
    assert set(code(listed[1])) == set(SCOPES)


def test_conditions_are_listed_with_their_severity_and_where_they_show() -> None:
    listed = [cells[:3] for cells in rows(section(OPERATORS, "Conditions"))]
    known = []
    for kind in CONDITIONS.values():
        shown = f"`{kind.check}`" if kind.check else "doctor" if kind.doctor_only else ""
        known.append([f"`{kind.slug}`", kind.severity, shown])
    assert sorted(listed) == sorted(known)


def test_conditions_name_settings_and_commands_that_exist() -> None:
    for kind in CONDITIONS.values():
        words = f"{kind.sentence} {kind.meaning} {kind.remedy}"
        assert set(SETTING.findall(words)) <= settings(), kind.slug
        for named in COMMAND.findall(words):
            assert any(f"callgate {named}".startswith(known) for known in commands()), named


def test_audit_actions_are_listed() -> None:
    listed = column(section(OPERATORS, "Audit"), 1)
    assert sorted(listed) == sorted(ACTIONS)


@pytest.mark.parametrize(("command", "options"), commands().items(), ids=list(commands()))
def test_every_option_of_a_command_is_explained(command: str, options: set[str]) -> None:
    (meaning,) = (
        cells[1] for cells in rows(section(OPERATORS, "Commands")) if cells[0] == f"`{command}`"
    )
    assert {word for word in code(meaning) if word.startswith("--")} == options


async def test_metrics_are_listed(callgate: Replica) -> None:
    async with callgate.session.get(f"{callgate.url}/metrics") as response:
        exposed = await response.text()
    kinds = re.findall(r"^# TYPE (callgate_\w+) (\w+)$", exposed, re.MULTILINE)
    served = {name for name, _ in kinds if not name.endswith("_created")}
    text = section(OPERATORS, "Metrics")
    assert sorted(column(text)) == sorted(served)
    alerts = re.findall(r"\bcallgate_\w+", text)
    assert set(alerts) <= served


async def test_operations_of_the_api_that_are_named_exist(callgate: Replica) -> None:
    async with callgate.session.get(f"{callgate.url}/api/openapi.json") as response:
        served = await response.json()
    operations = {
        f"{method.upper()} {re.sub(r'{.*?}', '{id}', path).removeprefix('/api/v1')}"
        for path, methods in served["paths"].items()
        for method in methods
    }
    texts = [document.read_text() for document in documents()]
    remedies = [kind.remedy.replace("{{id}}", "{id}") for kind in CONDITIONS.values()]
    named = {found for text in (*texts, *remedies) for found in OPERATION.findall(text)}
    assert len(named) > 10
    for method, start, path in named:
        end = re.sub(r"{.*?}", "{id}", path.removeprefix("/api/v1").partition("?")[0])
        if end in UNVERSIONED:
            continue
        ends = [word for word in operations if word.startswith(method) and word.endswith(end)]
        assert ends if start else f"{method} {end}" in operations, (method, start, path)


def test_hooks_and_the_surface_are_in_the_page_for_authors() -> None:
    text = AUTHORS.read_text()
    declared = {name for name, given in vars(hookspecs).items() if hasattr(given, "callgate_spec")}
    used = set(re.findall(r"@hookimpl\ndef (\w+)", text))
    assert declared
    assert used == declared


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_names_what_does_not_exist(document: Path) -> None:
    text = document.read_text()
    known = settings() | {f"{name}_FILE" for name in secret_names()} | {"CALLGATE_POLICY"}
    known |= {variable_of("external", one) for one in ExternalSettings.model_fields}
    assert set(SETTING.findall(text)) <= known
    known = {*commands(), *(name.rpartition(" ")[0] for name in commands())}
    for words in COMMAND.findall("\n".join((*code(text), *FENCE.findall(text)))):
        one, _, two = words.strip().partition(" ")
        assert f"callgate {one}" in known or f"callgate {one} {two}" in known, words
    for word in code(text):
        if is_path(word):
            assert (ROOT / word).exists(), word


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in links(document.read_text()):
        place, _, anchor = link.partition("#")
        if place.startswith(("http:", "https:", "mailto:")):
            continue
        target = document if not place else (document.parent / place).resolve()
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


def test_the_readme_is_short_and_says_first_what_was_not_done() -> None:
    text = README.read_text()
    assert len(text.split()) < MOST_WORDS
    assert "**Not yet run against live Vapi.**" in "".join(text.partition("\n## ")[0])
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", text)
    assert [Path(picture).suffix for picture in pictures] == [".png", ".svg"], "panel and speed"
    assert all((ROOT / picture).stat().st_size < MOST_PICTURE_BYTES for picture in pictures)


def test_the_walk_through_the_panel_names_what_is_there() -> None:
    templates = (ROOT / "service" / "web" / "panel" / "templates").rglob("*.html")
    shown = "\n".join(template.read_text() for template in templates)
    for name in re.findall(r"\*\*([^*]+)\*\*", section(README, "A walk through the panel")):
        assert re.search(rf'[">]{re.escape(name)}["<]', shown), name
