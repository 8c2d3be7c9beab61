"""`callgate policies new` and `callgate policies test`: a new project is complete, typed and passes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from policies.testing import PolicyTestError
from service.cli.policy_kit.cases import CasesError, read_cases, run_cases
from tests.support.plugins import REGISTER, policy_module, write_plugin

ROOT = Path(__file__).parents[2]
HOLDER = """
from policies import hookimpl


class Plugin:
    @hookimpl
    def register_access_policies(self):
        return [Policy()]


plugin = Plugin()
"""


def run(*command: str, folder: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    """A command of this environment in a folder, with Callgate on the path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (path, str(ROOT))))}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as created."""
    folder = tmp_path_factory.mktemp("projects")
    done = run("service", "policies", "new", "fair_use", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "callgate-fair-use" in done.stdout
    return folder / "callgate-fair-use"


def test_the_tests_of_a_new_project_pass(project: Path) -> None:
    done = run(
        *("pytest", "-q", "-p", "policies.pytest_plugin", "-p", "no:cacheprovider"),
        folder=project,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_a_new_project_is_typed(project: Path, tmp_path: Path) -> None:
    done = run("mypy", "--cache-dir", str(tmp_path), folder=project)
    assert done.returncode == 0, done.stdout


def test_a_new_project_is_a_plugin_once_installed(project: Path, tmp_path: Path) -> None:
    """By pip, beside Callgate and without its own dependencies."""
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target")
    done = run("pip", "install", *options, str(tmp_path), ".", folder=project)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "callgate_fair_use" / "py.typed").exists()
    listed = run("service", "policies", "--json", folder=tmp_path, path=str(tmp_path))
    assert '"fair_use"' in listed.stdout, listed.stderr


def test_cases_are_decided_by_the_chain(project: Path) -> None:
    done = run("service", "policies", "test", "cases.yaml", folder=project)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 cases as expected." in done.stdout
    other = project / "other.yaml"
    other.write_text((project / "cases.yaml").read_text().replace("seats: 4", "seats: 2"))
    done = run("service", "policies", "test", "other.yaml", folder=project)
    assert done.returncode == 1
    assert "FAILED too many seats: allowed is True, not False" in done.stdout


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cases: [", "cannot be parsed"),
        ("cases: [{name: a, expect: {allowd: true}}]", "allowd"),
        ("cases: [{name: a, facts: {plan: {code: x, status: gone}}, expect: {}}]", "plan.status"),
        ("cases: [{name: a, facts: {plam: 1}, expect: {}}]", "plam: no such field"),
        ("cases: [{name: a, facts: {call: {tipe: x}}, expect: {}}]", "call.tipe: no such field"),
        (
            "cases: [{name: a, expect: {}, facts: {plan: {code: x, limits: {minuts: 1}}}}]",
            "plan.limits.minuts: no such field",
        ),
        ("policies: [no_such_module]\ncases: []", "no_such_module"),
        ("policies: ['json:no_such_plugin']\ncases: []", "no_such_plugin"),
        ("policies: []\nsettings: {fair_use: {most: 1}}\ncases: []", "fair_use"),
    ],
)
def test_what_is_wrong_with_a_file_is_a_sentence(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "cases.yaml").write_text(text)
    with pytest.raises((CasesError, PolicyTestError), match=problem):
        list(run_cases(read_cases(tmp_path / "cases.yaml")))


@pytest.mark.parametrize("policies", ["", "policies: ['stranger_object:plugin']\n"])
def test_a_plugin_may_be_an_attribute_of_its_module(
    policies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an entry point may name it: installed, or written in the file."""
    module = policy_module("stranger_policy", "return allow('fine')").removesuffix(REGISTER)
    write_plugin(tmp_path / "plugins", "stranger_object", module + HOLDER, attribute="plugin")
    monkeypatch.syspath_prepend(str(tmp_path / "plugins"))
    text = f"{policies}cases: [{{name: a, expect: {{policy: stranger_policy}}}}]"
    (tmp_path / "cases.yaml").write_text(text)
    try:
        (done,) = run_cases(read_cases(tmp_path / "cases.yaml"))
    finally:
        sys.modules.pop("stranger_object", None)
    assert done.problem is None


def test_a_project_replaces_nothing(project: Path) -> None:
    done = run("service", "policies", "new", "fair_use", folder=project.parent)
    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert run("service", "policies", "new", "plan", folder=project.parent).returncode == 2
