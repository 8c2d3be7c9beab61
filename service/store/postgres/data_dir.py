"""The data folder: fit to hold a database, owned by one service at a time, and who that is."""

import contextlib
import fcntl
import os
import pwd
import stat
import time
from pathlib import Path

LOCK_FILE = "owner.lock"
"""Locked while a service lives. Holds its pid and, once the server answers, the DSN."""

STARTING_SECONDS = 10.0


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used as asked; the message says why and what to do."""


class DataDirInUseError(EmbeddedPostgresError):
    """Another service owns the data folder."""


class UnsafeDataDirError(EmbeddedPostgresError):
    """Others could read the data or put theirs in its place."""


class DataDir:
    """One data folder. `claim` it before use, `release` it after."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.folder: int | None = None
        self.lock: int | None = None

    @property
    def root(self) -> Path:
        """The folder that was checked, whatever its path leads to by now."""
        return Path(f"/proc/self/fd/{self.folder}")

    def claim(self) -> None:
        """Make the folder if need be, see that it is safe, and become its one owner.

        Raises `UnsafeDataDirError` or `DataDirInUseError`.
        """
        # Before, so that nothing is made where nothing may be; after, as the umask may be generous.
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
        """Tell other processes of this user who owns the folder and where its server is."""
        if self.lock is not None:
            os.ftruncate(self.lock, 0)
            os.pwrite(self.lock, f"{os.getpid()}\n{dsn}\n".encode(), 0)

    def release(self) -> None:
        """Give the folder up. Safe to call twice."""
        if self.lock is not None:
            os.ftruncate(self.lock, 0)
            os.close(self.lock)
            self.lock = None
        if self.folder is not None:
            os.close(self.folder)
            self.folder = None


def read_owner(lock: int) -> tuple[int | None, str]:
    """The pid and the DSN in a lock file; None and nothing where they are not written yet."""
    lines = os.pread(lock, 4096, 0).decode(errors="replace").splitlines()
    try:
        return int(lines[0]), lines[1] if len(lines) > 1 else ""
    except (IndexError, ValueError):
        return None, ""


def find_running(data_dir: Path, seconds: float = STARTING_SECONDS) -> str | None:
    """The DSN of the server that another process owns under `data_dir`, or None if there is none.

    One that is just starting is waited for, up to `seconds`.
    """
    try:
        lock = os.open(data_dir / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    deadline = time.monotonic() + seconds
    try:
        while is_locked(lock):
            owner, dsn = read_owner(lock)
            # A file that a killed owner left may be read before the next one has cleared it.
            if dsn and owner is not None and is_alive(owner):
                return dsn
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)
    finally:
        os.close(lock)
    return None


def is_locked(lock: int) -> bool:
    """Whether somebody owns the folder."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False


def is_alive(pid: int) -> bool:
    """Whether there is such a process, ours or another's."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def check_parents(path: Path) -> None:
    """Refuse a place where anybody could rename our folder away and put theirs there."""
    for parent in {*path.parents, *path.resolve().parents}:
        try:
            mode = parent.stat().st_mode
        except FileNotFoundError:
            continue
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise UnsafeDataDirError(
                f"CALLGATE_DATA_DIR {path} lies in {parent}, which everybody may write to: they "
                f"could swap it. Run `chmod o-w {parent}` or choose another place."
            )


def check_folder(path: Path, status: os.stat_result) -> None:
    """Refuse a folder that others could swap the cluster in."""
    if status.st_uid not in (os.geteuid(), 0):
        raise UnsafeDataDirError(
            f"CALLGATE_DATA_DIR {path} belongs to {user_name(status.st_uid)}, and this service "
            f"runs as {user_name(os.geteuid())}. Run it as that user or choose another folder."
        )
    if status.st_mode & stat.S_IWOTH:
        raise UnsafeDataDirError(
            f"Everybody may write to CALLGATE_DATA_DIR {path}: run `chmod 700 {path}`."
        )
    if status.st_mode & stat.S_IWGRP and status.st_gid != os.getegid():
        raise UnsafeDataDirError(
            f"The group {status.st_gid} may write to CALLGATE_DATA_DIR {path}: run "
            f"`chmod g-w {path}` or choose a folder inside it."
        )


def user_name(uid: int) -> str:
    """The name of a user, or the number where there is none."""
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"user {uid}"
