"""Runs PostgreSQL's programs: as which user, in which folder, ended with us, and how to stop them."""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.store.postgres import launcher as postgres_launcher
from service.store.postgres.data_dir import EmbeddedPostgresError

SERVER_USERS = ("postgres", "nobody")
POLL_SECONDS = 0.005
ENDINGS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
"""Signals that stop a server, with seconds to wait: fast, immediate, kill."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The user that the server runs as: ours, or an unprivileged one if we are root."""

    name: str
    uid: int
    gid: int

    @classmethod
    def for_server(cls, owner: int | None = None) -> "Identity":
        """Choose the server's user; `owner` owns the existing cluster, if any."""
        try:
            if os.geteuid() != 0:
                return cls.of(pwd.getpwuid(os.geteuid()))
        except KeyError:
            raise EmbeddedPostgresError(
                f"The user {os.geteuid()} has no name (no entry in /etc/passwd), and PostgreSQL "
                "identifies users by name. Add one, or set DATABASE_URL to use another server."
            ) from None
        candidates = []
        for name in SERVER_USERS:
            with contextlib.suppress(KeyError):
                candidates.append(cls.of(pwd.getpwnam(name)))
        if not candidates:
            raise EmbeddedPostgresError(
                "PostgreSQL does not run as root, and neither of the users `postgres` and "
                "`nobody` exists. Run as an ordinary user, or set DATABASE_URL."
            )
        # A user `postgres` that was added later does not lock us out of a cluster of `nobody`.
        return next((one for one in candidates if one.uid == owner), candidates[0])

    @classmethod
    def of(cls, entry: pwd.struct_passwd) -> "Identity":
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)


@contextlib.contextmanager
def reachable(folder: Path) -> Iterator[tuple[int, str]]:
    """A path of the folder that works for a user without access to its parents.

    The link of an open folder under /proc leads straight to it, so no parent has to be opened.
    """
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield number, f"/proc/self/fd/{number}"
    finally:
        os.close(number)


def launch(
    identity: Identity,
    command: Sequence[str],
    folder: int,
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start a program of PostgreSQL that ends with us; `folder` stays open in it.

    It has a session of its own, so that Ctrl-C in the terminal reaches us and not the server.
    """
    launcher = [sys.executable, "-I", "-S", postgres_launcher.__file__]
    arguments = [os.getpid(), identity.uid, identity.gid]
    return subprocess.Popen(
        [*launcher, *map(str, arguments), *command],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=(folder,),
        cwd="/",
        umask=0o077,
        start_new_session=True,
    )


def run(identity: Identity, command: Sequence[str], folder: int, given: str = "") -> None:
    """Run a program to its end; raises `EmbeddedPostgresError` with its last output."""
    with launch(identity, command, folder, stdin=subprocess.PIPE) as child:
        try:
            output, _ = child.communicate(given)
        except BaseException:
            child.kill()
            raise
    if child.returncode != 0:
        name = Path(command[0]).name
        raise EmbeddedPostgresError(f"{name} failed. Its last output:\n{output[-2000:].strip()}")


def make_cluster(
    binaries: Path, cluster: Path, identity: Identity, role: str, *, durable: bool
) -> None:
    """Create a cluster with one role and its database; `durable`: synced to disk."""
    with reachable(cluster) as (folder, name):
        kind = ("-U", role, "-E", "UTF8", "--locale=C", "--auth=peer", "--no-instructions")
        initdb, postgres = str(binaries / "initdb"), str(binaries / "postgres")
        run(identity, [initdb, "-D", name, "--no-sync", *kind], folder)
        single = [postgres, "--single", "-F", "-D", name, "postgres"]
        run(identity, single, folder, f"CREATE DATABASE {role}\n")
        if durable:
            run(identity, [initdb, "-D", name, "--sync-only"], folder)


class PostgresProcess:
    """One postmaster: our child, stopped by us or by our death signal."""

    def __init__(self, binaries: Path, cluster: Path, identity: Identity) -> None:
        self.binaries = binaries
        self.cluster = cluster
        self.identity = identity
        self.child: subprocess.Popen[str] | None = None

    def begin(self, settings: Mapping[str, str], log: int) -> None:
        """Start it without waiting."""
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with reachable(self.cluster) as (folder, name):
            command = [str(self.binaries / "postgres"), "-D", name, *options]
            self.child = launch(self.identity, command, folder, stdout=log)

    def is_alive(self) -> bool:
        """Whether the postmaster runs."""
        return self.child is not None and self.child.poll() is None

    def is_ready(self) -> bool:
        """Whether it accepts connections."""
        return self.child is not None and read_postmaster(self.cluster) == (self.child.pid, "ready")

    def wait(self, seconds: float) -> bool:
        """Wait until it accepts connections; False if it ended or took too long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.is_alive():
            if self.is_ready():
                return True
            time.sleep(POLL_SECONDS)
        return False

    def stop(self) -> None:
        """Stop it: fast, then immediately, then by SIGKILL."""
        if self.child is None:
            return
        for how, seconds in ENDINGS:
            if self.child.poll() is not None:
                break
            self.child.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(seconds)
        self.child = None


def read_postmaster(cluster: Path) -> tuple[int, str] | None:
    """The pid and the state in the cluster's pid file; None if it cannot be read."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
    except (OSError, ValueError, IndexError):
        return None


def end_predecessor(cluster: Path) -> None:
    """Stop the server that a killed service left in this cluster, then delete its pid file.

    Its pid may belong to another program by now, and its children may outlive it for a moment, so
    the processes that work in the cluster count.
    """
    if not (cluster / "postmaster.pid").exists():
        return
    for how, seconds in ENDINGS:
        leader = read_postmaster(cluster)
        for pid in list_working(cluster):
            # SIGINT stops a postmaster; to its children it means something else.
            if how != signal.SIGINT or (leader is not None and leader[0] == pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
        if wait_until_idle(cluster, seconds):
            (cluster / "postmaster.pid").unlink(missing_ok=True)
            return
    raise EmbeddedPostgresError("The server of an earlier run does not stop; stop it manually.")


def wait_until_idle(cluster: Path, seconds: float) -> bool:
    """Wait until no process works in the cluster; False after `seconds`."""
    deadline = time.monotonic() + seconds
    while list_working(cluster):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def list_working(cluster: Path) -> list[int]:
    """The processes of PostgreSQL that work in this cluster."""
    here = cluster.stat()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        # Processes of other users cannot be inspected and are not ours; some end meanwhile.
        with contextlib.suppress(OSError):
            program = (entry / "exe").readlink().name
            # An upgrade of the package leaves "postgres (deleted)".
            if program.split(" ")[0] == "postgres" and os.path.samestat(
                (entry / "cwd").stat(), here
            ):
                found.append(int(entry.name))
    return found
