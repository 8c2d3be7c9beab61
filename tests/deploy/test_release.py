"""The release script, on clones: what it releases, and what it refuses without a trace."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no repository")

spec = importlib.util.spec_from_file_location("release", ROOT / "deploy/release.py")
assert spec is not None
assert spec.loader is not None
release = importlib.util.module_from_spec(spec)
spec.loader.exec_module(release)


def git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=repository, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The working tree as a repository of its own with one commit."""
    files = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    place = tmp_path / "callgate"
    for name in files:
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes((ROOT / name).read_bytes())
    git(place, "init", "--quiet")
    git(place, "config", "user.name", "A maintainer")
    git(place, "config", "user.email", "maintainer@callgate.example")
    return place


def commit(repository: Path, changelog: str = "") -> Path:
    if changelog:
        (repository / "CHANGELOG.md").write_text(changelog)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "-m", "Begin")
    return repository


CHANGES = (
    "# Changelog\n\n## Unreleased\n\n- Something new.\n\n## 0.0.1 (2026-01-01)\n\n- The first.\n"
)


def test_a_release_is_bumped_built_checked_and_tagged(repository: Path) -> None:
    commit(repository, CHANGES)
    script = repository / "deploy/release.py"
    command = [sys.executable, str(script), "7.1.0rc2", "--borrow-dependencies"]
    rehearsed = subprocess.run(
        [*command, "--dry-run"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert (rehearsed.returncode, rehearsed.stdout) == (0, "7.1.0rc2 can be released.\n")
    assert (git(repository, "tag"), git(repository, "status", "--porcelain")) == ("", "")
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (repository / "dist").iterdir()) == [
        "callgate-7.1.0rc2-py3-none-any.whl",
        "callgate-7.1.0rc2.tar.gz",
    ]
    assert git(repository, "cat-file", "-t", "v7.1.0rc2") == "tag"
    assert git(repository, "show", "--format=%s", "--no-patch", "v7.1.0rc2^{commit}") == (
        "Release 7.1.0rc2"
    )
    assert git(repository, "status", "--porcelain") == ""
    changelog = (repository / "CHANGELOG.md").read_text()
    assert "## 7.1.0rc2 (20" in changelog
    assert "Unreleased" not in changelog
    assert 'version = "7.1.0rc2"' in (repository / "pyproject.toml").read_text()


def test_a_wheel_that_lacks_something_is_not_released(repository: Path) -> None:
    (repository / "policies/py.typed").unlink()
    commit(repository, CHANGES)
    with pytest.raises(release.ReleaseError, match=r"lacks policies/py\.typed"):
        release.release(repository, "7.0.0", borrow=True)
    assert (git(repository, "tag"), git(repository, "status", "--porcelain")) == ("", "")


@pytest.mark.parametrize(
    ("version", "changelog", "words"),
    [
        ("7", CHANGES, "no version"),
        ("0.0.1", CHANGES, "older than"),
        ("7.0.0", CHANGES.replace("Unreleased", "0.0.2 (2026-02-01)"), "no section"),
        ("7.0.0", CHANGES.replace("- Something new.", ""), "says nothing"),
        ("6.0.0", CHANGES, "exists"),
    ],
)
def test_what_cannot_be_released_is_refused(
    repository: Path, version: str, changelog: str, words: str
) -> None:
    commit(repository, changelog)
    git(repository, "tag", "v6.0.0")
    with pytest.raises(release.ReleaseError, match=words):
        release.release(repository, version, borrow=True)
    assert git(repository, "status", "--porcelain") == ""


def test_uncommitted_changes_are_refused(repository: Path) -> None:
    commit(repository)
    (repository / "README.md").write_text("Changed.\n")
    with pytest.raises(release.ReleaseError, match=r"(?s)Commit or stash.*README"):
        release.release(repository, "7.0.0", borrow=True)


def test_a_candidate_comes_before_its_release() -> None:
    texts = ("1.2.3rc1", "1.2.3rc2", "1.2.3", "1.2.10", "2.0.0rc1")
    assert sorted(texts, key=release.parse_version) == list(texts)
