"""The embedded PostgreSQL: one private server under the data folder, owned by one service."""

import os
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from service.store.postgres.access_rules import write_access_rules
from service.store.postgres.binaries import copy_binaries, find_binaries, read_version
from service.store.postgres.data_dir import (
    DataDir,
    DataDirInUseError,
    EmbeddedPostgresError,
    UnsafeDataDirError,
    find_running,
    user_name,
)
from service.store.postgres.process import Identity, PostgresProcess, end_predecessor, make_cluster
from service.store.postgres.run_folders import PLACES, RunFolders
from service.store.roles import OWNER_ROLE

__all__ = [
    "DataDirInUseError",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "UnsafeDataDirError",
    "find_running",
]

PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
UNFINISHED = "postgres.unfinished-"
START_SECONDS = 60.0
LAST_WORDS = 12

SOCKET_PATH_LIMIT = 107
"""Bytes in the path of a Unix socket (unix(7))."""
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._@+-]+")
"""A path that needs no quoting in a DSN: asyncpg, for one, splits hosts at commas."""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "jit": "off",
    # Parallel queries need more shared memory than many containers give.
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    # Only messages of the server itself: a statement or a failed row may hold a control URL or a
    # caller's number, and the file must stay small.
    "logging_collector": "off",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class EmbeddedPostgres:
    """Starts, owns and stops the server.

    The kernel stops the server when the thread that started it ends, so that a killed service leaves
    nothing behind; therefore call `start` in the main thread.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        options: Mapping[str, str] | None = None,
        binaries: Path | None = None,
    ) -> None:
        self.data_dir = DataDir(data_dir)
        self.settings = {**SETTINGS, **(options or {})}
        self.binaries = binaries
        self.process: PostgresProcess | None = None
        self.existed = False
        """Whether there was a cluster before `open`."""
        self.dsn = ""
        self.run_folders: RunFolders | None = None
        self.socket_dir: Path | None = None

    @property
    def cluster(self) -> Path:
        """The folder of the data."""
        return self.data_dir.path / "postgres"

    def start(self) -> str:
        """Start the server and return its owner's DSN; creates the cluster if there is none.

        Raises `DataDirInUseError` if another service owns the folder, `EmbeddedPostgresError` for
        every other obstacle.
        """
        self.open()
        try:
            self.begin()
            self.wait(START_SECONDS)
        except BaseException:
            self.stop()
            raise
        return self.dsn

    def open(self) -> None:
        """Own the folder and prepare the cluster. Raises like `start`."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "Start PostgreSQL in the main thread: it stops when its thread ends."
            )
        try:
            self.data_dir.claim()
            self.prepare()
        except OSError as exc:
            self.stop()
            raise self.unusable(exc) from exc
        except BaseException:
            self.stop()
            raise

    def begin(self) -> None:
        """Start the server without waiting. Raises `EmbeddedPostgresError`; the folder stays ours."""
        try:
            self.launch()
        except OSError as exc:
            raise self.unusable(exc) from exc

    def wait(self, seconds: float) -> None:
        """Wait until the server answers, and publish its address. Raises `EmbeddedPostgresError`."""
        assert self.process is not None
        if not self.process.wait(seconds):
            raise self.failed_start()
        self.publish()

    def publish(self) -> None:
        """Publish the address of the running server."""
        self.data_dir.publish(self.dsn)

    def unusable(self, exc: OSError) -> EmbeddedPostgresError:
        """The error of a folder in which the system refuses something."""
        return EmbeddedPostgresError(
            f"CALLGATE_DATA_DIR {self.data_dir.path} cannot be used: {exc}. Choose another "
            "one, or set DATABASE_URL."
        )

    def prepare(self) -> None:
        """Prepare the cluster and choose the socket's place, in a folder that we own."""
        cluster = self.data_dir.root / "postgres"
        exists = self.existed = (cluster / "PG_VERSION").exists()
        identity = Identity.for_server(cluster.stat().st_uid if exists else None)
        if exists:
            end_predecessor(cluster)
        folders = RunFolders(
            self.data_dir.root / "run_folders", frozenset({os.geteuid(), identity.uid})
        )
        folders.remove_left()
        for left in cluster.parent.glob(f"{UNFINISHED}*"):
            # An initdb that was just interrupted may be deleting it as well.
            shutil.rmtree(left, ignore_errors=True)
        self.run_folders = folders
        binaries, version = choose_binaries(self.binaries or find_binaries(), identity, folders)
        if exists:
            self.check_cluster(cluster, identity, version)
        else:
            self.create_cluster(cluster, binaries, identity)
        self.socket_dir = self.choose_socket_dir(cluster, identity, folders)
        self.process = PostgresProcess(binaries, cluster, identity)
        host = quote(str(self.socket_dir), safe="")
        # Complete, because clients fill gaps from PGPORT and similar variables.
        self.dsn = (
            f"postgresql://{OWNER_ROLE}@/{OWNER_ROLE}?host={host}&port={PORT}&sslmode=disable"
        )

    @property
    def log(self) -> Path:
        """What the running server printed."""
        return self.data_dir.root / "postgres.log"

    def launch(self) -> None:
        """Begin the server, in the main thread; the log of its previous run is kept as `.log.1`."""
        assert self.process is not None
        write_access_rules(self.process.cluster, self.process.identity)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        out = os.open(self.log, flags, 0o600)
        folder = "." if self.socket_dir == self.cluster else str(self.socket_dir)
        try:
            self.process.begin({**self.settings, "unix_socket_directories": folder}, out)
        finally:
            os.close(out)

    def clear(self) -> None:
        """End what a dead postmaster left: its processes, its pid file and its socket. Blocks."""
        assert self.process is not None
        assert self.socket_dir is not None
        cluster = self.process.cluster
        end_predecessor(cluster)
        # By the folder that we own: its path may lead to another server's by now.
        folder = cluster if self.socket_dir == self.cluster else self.socket_dir
        for socket in folder.glob(f"{SOCKET}*"):
            socket.unlink(missing_ok=True)

    def failed_start(self) -> EmbeddedPostgresError:
        """The error of a server that ended or took too long, with its last output."""
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_WORDS:]
        return EmbeddedPostgresError(
            f"The embedded PostgreSQL in {self.cluster} did not start. Its last output:\n"
            + "\n".join(lines)
        )

    def stop(self) -> None:
        """Stop the server and release the folder. Safe to call twice."""
        if self.process is not None:
            self.process.stop()
            self.process = None
        if self.run_folders is not None:
            self.run_folders.remove_all()
            self.run_folders = None
        self.data_dir.release()

    def create_cluster(self, cluster: Path, binaries: Path, identity: Identity) -> None:
        """Create the cluster in a temporary folder and rename it: it exists whole or not at all."""
        if cluster.exists() and any(cluster.iterdir()):
            raise EmbeddedPostgresError(
                f"{self.cluster} is not empty and holds no PostgreSQL data. Choose another "
                "CALLGATE_DATA_DIR."
            )
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=cluster.parent))
        os.chown(unfinished, identity.uid, identity.gid)
        durable = self.settings["fsync"] != "off"
        make_cluster(binaries, unfinished, identity, OWNER_ROLE, durable=durable)
        unfinished.rename(cluster)
        if durable and self.data_dir.folder is not None:
            os.fsync(self.data_dir.folder)

    def check_cluster(self, cluster: Path, identity: Identity, version: str) -> None:
        """Reject a cluster with open permissions, of another user or of another version."""
        status = cluster.stat()
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise UnsafeDataDirError(
                f"{self.cluster} is open to other users: run `chmod 700 {self.cluster}`, after "
                "making sure that no other user has read or changed it."
            )
        if status.st_uid != identity.uid:
            raise UnsafeDataDirError(
                f"{self.cluster} belongs to {user_name(status.st_uid)}, and the server would run "
                f"as {identity.name}."
            )
        made_by = (cluster / "PG_VERSION").read_text().strip()
        if version.partition(".")[0] != made_by:
            raise EmbeddedPostgresError(
                f"{self.cluster} was made by PostgreSQL {made_by}, and this is {version}. Move the "
                "data over with pg_dump, or use another CALLGATE_DATA_DIR."
            )

    def choose_socket_dir(self, cluster: Path, identity: Identity, folders: RunFolders) -> Path:
        """The cluster itself, or a private folder with a short path if its path does not fit."""
        for socket in cluster.glob(f"{SOCKET}*"):
            # Left by a kill; its lock may name a pid that another program has by now.
            socket.unlink()
        path = str(self.cluster / SOCKET)
        if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT and PLAIN_PATH.fullmatch(path):
            return self.cluster
        folder = folders.make(PLACES[0])
        os.chown(folder, identity.uid, identity.gid)
        return folder


def choose_binaries(binaries: Path, identity: Identity, folders: RunFolders) -> tuple[Path, str]:
    """The programs and their version; a copy if the server's user cannot run them.

    That is the usual case for root: an environment under /root, which stays closed.
    """
    chosen = binaries
    for place in (*PLACES, None):
        try:
            return chosen, read_version(chosen, identity)
        except PermissionError:
            # A copy may not run either: temporary folders are often mounted `noexec`.
            if place is not None:
                chosen = copy_binaries(binaries, folders.make(place))
    raise EmbeddedPostgresError(
        f"PostgreSQL would run as {identity.name}, and that user may not run {binaries}. Install "
        "Callgate where all may read it, run it as an ordinary user, or set DATABASE_URL."
    )
