"""Plugins: a real distribution, built from the author's page and installed with pip."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "policies" / "README.md"
SHOW = """
from service.access.policies.plugins import load_policies
loaded = load_policies()
print([(policy.name, policy.plugin) for policy in loaded.policies])
print([problem.message for problem in loaded.problems])
"""


def files() -> dict[str, str]:
    """The page's complete example, by file name."""
    found = re.findall(r"`([\w.]+)`:\n\n```\w+\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return dict(found)


def install(source: Path, target: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--disable-pip-version-check", "--target", str(target)),
            str(source),
        ],
        check=True,
        capture_output=True,
    )


def show(target: Path) -> list[str]:
    """The policies and problems that a fresh process with the plugin loads."""
    environment = {**os.environ, "PYTHONPATH": str(target)}
    done = subprocess.run(
        [sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-2:]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's distribution, installed by pip."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    for name, text in files().items():
        (source / name).write_text(text)
    install(source, target)
    return target


def test_the_page_is_a_complete_distribution(installed: Path, tmp_path: Path) -> None:
    policies, problems = show(installed)
    assert "('fair_use', 'callgate-fair-use')" in policies
    assert policies.index("admin_override") < policies.index("fair_use") < policies.index("'plan'")
    assert problems == "[]"
    (tmp_path / "test_fair_use.py").write_text(files()["test_fair_use.py"])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_fair_use.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


REGISTER = """
from policies import hookimpl

@hookimpl
def register_access_policies():
"""
RAISING = REGISTER + "    raise RuntimeError('no')"
DISPLACING = (
    "class P:\n    name = 'plan'\n    order = 1\n    def evaluate(self, r): ...\n"
    + REGISTER
    + "    return [P()]"
)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("import nothing_like_it", "ModuleNotFoundError"),
        ("raise SystemExit(1)", "SystemExit"),
        ("def (", "SyntaxError"),
        (RAISING, "RuntimeError"),
        (DISPLACING, "taken"),
        ("x = 1", "no register_access_policies marked with @hookimpl"),
    ],
)
def test_a_broken_plugin_breaks_only_itself(installed: Path, module: str, message: str) -> None:
    (installed / "callgate_fair_use.py").write_text(module)
    policies, problems = show(installed)
    for name in ("admin_override", "plan", "trial"):
        assert f"('{name}', 'callgate')" in policies
    assert message in problems
