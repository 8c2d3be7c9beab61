"""The data folder: checked for safe permissions, and owned by one service at a time."""

import contextlib
import fcntl
import os
import pwd
import stat
import time
from pathlib import Path

LOCK_FILE = "owner.lock"
"""Locked while a service runs. Holds its pid and, once the server answers, the DSN."""

STARTING_SECONDS = 10.0


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; the message says why and what to do."""


class NoDatabaseError(EmbeddedPostgresError):
    """The data folder holds no database yet, and the work needs one that has data."""


class DataDirInUseError(EmbeddedPostgresError):
    """Another service owns the data folder."""


class UnsafeDataDirError(EmbeddedPostgresError):
    """Other users could read or replace the data."""


class DataDir:
    """One data folder. `claim` it before use, `release` it after."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.folder: int | None = None
        self.lock: int | None = None

    @property
    def root(self) -> Path:
        """The checked folder itself, even if its path leads elsewhere by now."""
        return Path(f"/proc/self/fd/{self.folder}")

    def claim(self) -> None:
        """Create the folder if necessary, check that it is safe, and become its one owner.

        Raises `UnsafeDataDirError` or `DataDirInUseError`.
        """
        # Before, so that nothing is created in an unsafe place; after, because of the umask.
        check_parents(self.path)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_parents(self.path)
        self.folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        check_folder(self.path, os.fstat(self.folder))
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(self.root / LOCK_FILE, flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = read_owner(lock)[0]
            os.close(lock)
            raise DataDirInUseError(
                f"CALLGATE_DATA_DIR {self.path} is in use by process {owner or 'unknown'}. For "
                "several services set DATABASE_URL, or give this one another CALLGATE_DATA_DIR."
            ) from None
        self.lock = lock
        self.publish()

    def publish(self, dsn: str = "") -> None:
        """Publish the owner's pid and the server's DSN to other processes of this user."""
        if self.lock is not None:
            os.ftruncate(self.lock, 0)
            os.pwrite(self.lock, f"{os.getpid()}\n{dsn}\n".encode(), 0)

    def release(self) -> None:
        """Release the folder. Safe to call twice."""
        if self.lock is not None:
            os.ftruncate(self.lock, 0)
            os.close(self.lock)
            self.lock = None
        if self.folder is not None:
            os.close(self.folder)
            self.folder = None


def read_owner(lock: int) -> tuple[int | None, str]:
    """The pid and the DSN in a lock file; None and "" if they are not written yet."""
    lines = os.pread(lock, 4096, 0).decode(errors="replace").splitlines()
    try:
        return int(lines[0]), lines[1] if len(lines) > 1 else ""
    except (IndexError, ValueError):
        return None, ""


def has_database(data_dir: Path) -> bool:
    """Whether an embedded PostgreSQL was created in the folder. Raises `OSError`."""
    return (data_dir / "postgres" / "PG_VERSION").exists()


def find_running(data_dir: Path, seconds: float = STARTING_SECONDS) -> str | None:
    """The DSN of the server that another process runs under `data_dir`, or None.

    A starting server is waited for, up to `seconds`.
    """
    try:
        lock = os.open(data_dir / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    deadline = time.monotonic() + seconds
    try:
        while is_locked(lock):
            owner, dsn = read_owner(lock)
            # The next owner may not have cleared the file of a killed one yet.
            if dsn and owner is not None and is_alive(owner):
                return dsn
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)
    finally:
        os.close(lock)
    return None


def is_locked(lock: int) -> bool:
    """Whether a process owns the folder."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False


def is_alive(pid: int) -> bool:
    """Whether a process with this pid runs, of any user."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def check_parents(path: Path) -> None:
    """Reject a place where other users could replace our folder by theirs."""
    for parent in {*path.parents, *path.resolve().parents}:
        try:
            mode = parent.stat().st_mode
        except FileNotFoundError:
            continue
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise UnsafeDataDirError(
                f"CALLGATE_DATA_DIR {path} is in {parent}, which all users may write to: they "
                f"could replace it. Run `chmod o-w {parent}` or choose another place."
            )


def check_folder(path: Path, status: os.stat_result) -> None:
    """Reject a folder in which other users could replace the cluster."""
    if status.st_uid not in (os.geteuid(), 0):
        raise UnsafeDataDirError(
            f"CALLGATE_DATA_DIR {path} belongs to {user_name(status.st_uid)}, and this service "
            f"runs as {user_name(os.geteuid())}. Run it as that user or choose another folder."
        )
    if status.st_mode & stat.S_IWOTH:
        raise UnsafeDataDirError(
            f"All users may write to CALLGATE_DATA_DIR {path}: run `chmod 700 {path}`."
        )
    if status.st_mode & stat.S_IWGRP and status.st_gid != os.getegid():
        raise UnsafeDataDirError(
            f"The group {status.st_gid} may write to CALLGATE_DATA_DIR {path}: run "
            f"`chmod g-w {path}` or choose a folder inside it."
        )


def user_name(uid: int) -> str:
    """The name of a user, or the uid if it has none."""
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"user {uid}"
