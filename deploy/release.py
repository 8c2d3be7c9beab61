"""Releases a version: bumps it, closes the changelog's section, builds, checks the wheel, tags.

    python deploy/release.py 0.2.0 [--dry-run] [--borrow-dependencies]

Nothing is pushed and nothing is published. A dry run does all of it in a clone that is thrown away.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.compile(r"\d+\.\d+\.\d+(rc\d+)?")
VERSION_LINE = re.compile(r'^version = "(?P<version>[^"]+)"$', re.MULTILINE)
OPEN_SECTION = re.compile(r"^## .*unreleased.*$", re.MULTILINE | re.IGNORECASE)
PACKAGES = ("service", "policies", "migrations")
IMPORTS = "import policies, policies.contract, service.cli, migrations"


class ReleaseError(Exception):
    """The version cannot be released; the message says why and what to do."""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command to its end and return its output. Raises `ReleaseError` with what it said."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise ReleaseError(f"`{' '.join(map(str, command))}` failed:\n{said[-3000:]}")
    return done.stdout


def parse_version(text: str) -> tuple[int, int, int, int]:
    """A version as numbers in order; a release candidate comes before its release."""
    if not VERSION.fullmatch(text):
        raise ReleaseError(f"{text!r} is no version: write 1.2.3 or 1.2.3rc1.")
    base, _, candidate = text.partition("rc")
    major, minor, patch = map(int, base.split("."))
    return major, minor, patch, int(candidate) if candidate else sys.maxsize


def bump(text: str, version: str) -> str:
    """`pyproject.toml` with the new version."""
    found = VERSION_LINE.search(text)
    if found is None:
        raise ReleaseError('pyproject.toml has no line `version = "…"`.')
    if parse_version(version) < parse_version(found["version"]):
        raise ReleaseError(f"{version} is older than {found['version']} in pyproject.toml.")
    return VERSION_LINE.sub(f'version = "{version}"', text, count=1)


def close_section(text: str, version: str, date: str) -> str:
    """The changelog with its open section named and dated."""
    found = OPEN_SECTION.search(text)
    if found is None:
        raise ReleaseError("CHANGELOG.md has no section `## … (unreleased)`: add one.")
    section = text[found.end() :].partition("\n## ")[0]
    if "\n- " not in section:
        raise ReleaseError("CHANGELOG.md says nothing about this version: add what changed.")
    return text[: found.start()] + f"## {version} ({date})" + text[found.end() :]


def check_repository(repository: Path, version: str) -> None:
    """Refuse a working tree with changes, and a version that has its tag."""
    if changes := run("git", "status", "--porcelain", cwd=repository):
        raise ReleaseError(f"Commit or stash these changes first:\n{changes.rstrip()}")
    if run("git", "tag", "--list", f"v{version}", cwd=repository):
        raise ReleaseError(f"The tag v{version} exists. Choose the next version.")


def build(repository: Path, version: str) -> Path:
    """Build the sdist and the wheel into `dist`; returns the wheel."""
    run(sys.executable, "-m", "hatchling", "build", cwd=repository)
    return repository / "dist" / f"callgate-{version}-py3-none-any.whl"


def check_wheel(wheel: Path, version: str, *, borrow: bool) -> None:
    """Install the wheel in an empty environment, run its command and import its packages.

    `borrow` takes the dependencies of this environment instead of downloading them.
    """
    names = zipfile.ZipFile(wheel).namelist()
    for package in PACKAGES:
        if f"{package}/py.typed" not in names:
            raise ReleaseError(f"The wheel lacks {package}/py.typed.")
    with tempfile.TemporaryDirectory(prefix="callgate-release-") as place:
        # Beside the repository, so that its packages are not found by accident.
        folder = Path(place)
        venv.create(folder / "environment", symlinks=True)
        python = folder / "environment/bin/python"
        if borrow:
            lend_dependencies(folder / "environment")
        options = ("--no-deps",) if borrow else ()
        pip = (sys.executable, "-m", "pip", "--python", python)
        run(*pip, "install", "--quiet", "--no-compile", *options, wheel, cwd=folder)
        run(folder / "environment/bin/callgate", "--help", cwd=folder)
        say = f"{IMPORTS}; from importlib.metadata import version; print(version('callgate'))"
        if (said := run(python, "-c", say, cwd=folder).strip()) != version:
            raise ReleaseError(f"The installed wheel calls itself {said}, not {version}.")


def lend_dependencies(environment: Path) -> None:
    """Let an environment see the packages of this one, without what is installed editable here."""
    (packages,) = environment.glob("lib/python*/site-packages")
    mine = [path for path in sys.path if path.endswith("-packages")]
    (packages / "borrowed.pth").write_text("\n".join(mine) + "\n")


def release(repository: Path, version: str, *, borrow: bool) -> Path:
    """Release the repository's present commit; returns the wheel.

    What fails leaves the files as they were, without a commit and without a tag.
    """
    parse_version(version)
    check_repository(repository, version)
    project, changelog = repository / "pyproject.toml", repository / "CHANGELOG.md"
    bumped = bump(project.read_text(), version)
    closed = close_section(changelog.read_text(), version, f"{datetime.now(UTC):%Y-%m-%d}")
    try:
        project.write_text(bumped)
        changelog.write_text(closed)
        wheel = build(repository, version)
        check_wheel(wheel, version, borrow=borrow)
    except BaseException:
        run("git", "checkout", "--", project.name, changelog.name, cwd=repository)
        raise
    run("git", "commit", "--quiet", "--all", "-m", f"Release {version}", cwd=repository)
    run("git", "tag", "--annotate", f"v{version}", "-m", f"Callgate {version}", cwd=repository)
    return wheel


def rehearse(repository: Path, version: str, *, borrow: bool) -> None:
    """Release in a clone that is thrown away."""
    check_repository(repository, version)
    with tempfile.TemporaryDirectory(prefix="callgate-rehearsal-") as place:
        clone = Path(place) / "callgate"
        run("git", "clone", "--quiet", repository, clone, cwd=repository)
        for key in ("user.name", "user.email"):
            run("git", "config", key, run("git", "config", key, cwd=repository).strip(), cwd=clone)
        release(clone, version, borrow=borrow)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("version", help="such as 1.2.3 or 1.2.3rc1")
    parser.add_argument("--dry-run", action="store_true", help="in a clone that is thrown away")
    parser.add_argument(
        "--borrow-dependencies",
        action="store_true",
        help="check the wheel with the dependencies of this environment, without downloads",
    )
    given = parser.parse_args()
    try:
        if given.dry_run:
            rehearse(ROOT, given.version, borrow=given.borrow_dependencies)
            print(f"{given.version} can be released.")
            return 0
        wheel = release(ROOT, given.version, borrow=given.borrow_dependencies)
    except ReleaseError as exc:
        print(exc, file=sys.stderr)
        return 1
    print(f"Released {given.version}: {wheel.parent.relative_to(ROOT)}/ holds sdist and wheel.")
    print("Publish with: git push --follow-tags")
    return 0


if __name__ == "__main__":
    sys.exit(main())
