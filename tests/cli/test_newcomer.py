"""What a newcomer types first, before anything is set: each command says how to go on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from service.cli import app
from tests.support.commands import clean_environment, run_command

READING = (
    ("explain", "bakery"),
    ("usage",),
    ("admin", "list"),
    ("token", "create", "x"),
    ("policies", "shadow", "plan"),
)
WITH_VAPI = (("serve",), ("reconcile",), ("numbers", "import", "--from-vapi"))
ONLY_ACTS = {
    "serve", "migrate", "usage rebuild", "policies new", "admin create", "admin role", "admin disable",
    "admin enable", "admin password",
}  # fmt: skip
"""Commands that list and explain nothing: they say in a line what they did."""
CASES = {
    "policies": [],
    "cases": [
        {"name": "a new organization", "facts": {}, "expect": {"reason": "no_plan_or_trial"}},
        {"name": "wrong", "facts": {}, "expect": {"allowed": True}},
    ],
}


def run(folder: Path, *words: str) -> Any:
    return run_command(clean_environment(CALLGATE_DATA_DIR=str(folder / "data")), *words)


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_command_before_the_first_start_names_it_and_creates_nothing(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = run(tmp_path, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{tmp_path / 'data'} holds no database yet" in done.stderr
    assert "callgate serve --sandbox" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", WITH_VAPI, ids=" ".join)
def test_a_command_without_a_vapi_account_names_the_sandbox(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = run(tmp_path, *words)
    assert done.returncode == 1
    assert "VAPI_API_KEY is missing" in done.stderr
    assert "callgate serve --sandbox" in done.stderr


def test_the_doctor_without_settings_names_the_sandbox(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor")
    assert (done.returncode, done.stderr) == (1, "")
    assert "callgate serve --sandbox" in done.stdout
    assert isinstance(json.loads(run(tmp_path, "doctor", "--json").stdout), list)


def commands(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with the words that call it."""
    names = found.list_commands(None) if hasattr(found, "list_commands") else []
    for name in names:
        yield from commands(found.get_command(None, name), (*path, name))
    if not names or found.invoke_without_command:
        yield " ".join(path), found


def test_every_command_that_lists_or_explains_takes_json() -> None:
    found = dict(commands(typer.main.get_command(app)))
    assert len(found) > 15
    without = {
        name
        for name, command in found.items()
        if "--json" not in {option for one in command.params for option in one.opts}
    }
    assert without == ONLY_ACTS


def test_a_new_secret_is_printed_as_json(tmp_path: Path) -> None:
    done = run(tmp_path, "secrets", "--new", "--json")
    assert len(json.loads(done.stdout)["secret"]) > 24
    assert "VAPI_WEBHOOK_SECRET" in done.stderr


def test_cases_of_policies_are_printed_as_json(tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(CASES))
    done = run(tmp_path, "policies", "test", str(file), "--json")
    assert (done.returncode, done.stderr) == (1, "")
    right, wrong = json.loads(done.stdout)
    assert (right["problem"], right["decision"]["reason"]) == (None, "no_plan_or_trial")
    assert wrong["problem"] == "allowed is False, not True"
