"""Running PostgreSQL's programs: as whom, in which folder, tied to our life, and how to end them."""

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
"""How to end a server, and how long to wait each time: fast, at once, by force."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The user that the server runs as: ourselves, or a harmless one when we are root."""

    name: str
    uid: int
    gid: int

    @classmethod
    def for_server(cls, owner: int | None = None) -> "Identity":
        """Who runs the server; `owner` is the user whose cluster it is, if there is one."""
        try:
            if os.geteuid() != 0:
                return cls.of(pwd.getpwuid(os.geteuid()))
        except KeyError:
            raise EmbeddedPostgresError(
                f"The user {os.geteuid()} has no name (no entry in /etc/passwd), and PostgreSQL "
                "knows people by name. Add one, or set DATABASE_URL to use another server."
            ) from None
        candidates = []
        for name in SERVER_USERS:
            with contextlib.suppress(KeyError):
                candidates.append(cls.of(pwd.getpwnam(name)))
        if not candidates:
            raise EmbeddedPostgresError(
                "PostgreSQL does not run as root, and there is neither a user `postgres` nor "
                "`nobody` to run it as. Run as an ordinary user, or set DATABASE_URL."
            )
        # A user `postgres` that came later does not lock us out of what `nobody` made.
        return next((one for one in candidates if one.uid == owner), candidates[0])

    @classmethod
    def of(cls, entry: pwd.struct_passwd) -> "Identity":
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)


@contextlib.contextmanager
def reachable(folder: Path) -> Iterator[tuple[int, str]]:
    """A name of the folder that works for a user who may not pass its parents.

    The link of an open folder under /proc leads straight to it, so no parent has to be opened up.
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

    In a session of its own, so that Ctrl-C in the terminal reaches us and not the server.
    """
    launcher = [sys.executable, "-I", "-S", postgres_launcher.__file__]
    words = [os.getpid(), identity.uid, identity.gid]
    return subprocess.Popen(
        [*launcher, *(str(word) for word in words), *command],
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
    """Run a program to its end; raises `EmbeddedPostgresError` with its last words."""
    with launch(identity, command, folder, stdin=subprocess.PIPE) as child:
        try:
            said, _ = child.communicate(given)
        except BaseException:
            child.kill()
            raise
    if child.returncode != 0:
        name = Path(command[0]).name
        raise EmbeddedPostgresError(f"{name} failed. Its last words:\n{said[-2000:].strip()}")


def make_cluster(
    binaries: Path, cluster: Path, identity: Identity, role: str, *, durable: bool
) -> None:
    """Make a cluster with one role and its database; `durable`: also on disk before we return."""
    with reachable(cluster) as (folder, name):
        kind = ("-U", role, "-E", "UTF8", "--locale=C", "--auth=peer", "--no-instructions")
        initdb, postgres = str(binaries / "initdb"), str(binaries / "postgres")
        run(identity, [initdb, "-D", name, "--no-sync", *kind], folder)
        single = [postgres, "--single", "-F", "-D", name, "postgres"]
        run(identity, single, folder, f"CREATE DATABASE {role}\n")
        if durable:
            run(identity, [initdb, "-D", name, "--sync-only"], folder)


class PostgresProcess:
    """One postmaster: started as our child, ended by us or by our death."""

    def __init__(self, binaries: Path, cluster: Path, identity: Identity) -> None:
        self.binaries = binaries
        self.cluster = cluster
        self.identity = identity
        self.child: subprocess.Popen[str] | None = None

    def start(self, settings: Mapping[str, str], log: int, seconds: float) -> bool:
        """Start and wait until connections are taken; False when it ended or took too long."""
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with reachable(self.cluster) as (folder, name):
            command = [str(self.binaries / "postgres"), "-D", name, *options]
            self.child = launch(self.identity, command, folder, stdout=log)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.child.poll() is None:
            if read_postmaster(self.cluster) == (self.child.pid, "ready"):
                return True
            time.sleep(POLL_SECONDS)
        return False

    def stop(self) -> None:
        """End it: fast, then at once, then by force."""
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
    """The pid and the state that the cluster's pid file names."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
    except (OSError, ValueError, IndexError):
        return None


def end_predecessor(cluster: Path) -> None:
    """See that no server of a killed service works here any more, then forget its pid file.

    It is told to end, although it should be about to. Its pid may be a stranger's by now, and its
    children may outlive it for a moment, so what counts is who works in the cluster.
    """
    if not (cluster / "postmaster.pid").exists():
        return
    for how, seconds in ENDINGS:
        leader = read_postmaster(cluster)
        for pid in list_working(cluster):
            # SIGINT ends a postmaster; to its children it means something else.
            if how != signal.SIGINT or (leader is not None and leader[0] == pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
        if wait_until_idle(cluster, seconds):
            (cluster / "postmaster.pid").unlink(missing_ok=True)
            return
    raise EmbeddedPostgresError("A server of an earlier run does not end; end it by hand.")


def wait_until_idle(cluster: Path, seconds: float) -> bool:
    """Wait until nobody works in the cluster; False if somebody still does."""
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
        # Others' processes may not be looked into, and are not ours; some end as we look.
        with contextlib.suppress(OSError):
            program = (entry / "exe").readlink().name
            # An upgrade of the package leaves "postgres (deleted)".
            if program.split(" ")[0] == "postgres" and os.path.samestat(
                (entry / "cwd").stat(), here
            ):
                found.append(int(entry.name))
    return found
