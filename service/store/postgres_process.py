"""Running PostgreSQL's programs: as whom, tied to our life, and how to end them."""

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Identity:
    """The user that the server runs as: ourselves, or a harmless one when we are root."""

    name: str
    uid: int
    gid: int
    drop: bool

    @classmethod
    def for_server(cls) -> "Identity":
        if os.geteuid() != 0:
            own = pwd.getpwuid(os.geteuid())
            return cls(own.pw_name, own.pw_uid, own.pw_gid, drop=False)
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(name, entry.pw_uid, entry.pw_gid, drop=True)
        return cls("nobody", 65534, 65534, drop=True)

    def become(self, parent: int) -> Callable[[], None]:
        """What the child does before it executes: drop root, then ask to die with us.

        The request comes last because a change of user clears it. SIGINT is PostgreSQL's fast
        shutdown: sessions end, everything committed is on disk.
        """

        def prepare() -> None:
            os.setsid()
            os.umask(0o077)
            if self.drop:
                os.setgroups([])
                os.setgid(self.gid)
                os.setuid(self.uid)
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        return prepare


ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@contextlib.contextmanager
def reachable(cluster: Path) -> Iterator[tuple[int, str]]:
    """A name of the folder that works for a user who may not pass its parents.

    The link of an open folder under /proc leads straight to it, so no parent has to be opened up.
    """
    folder = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(folder, True)
    try:
        yield folder, f"/proc/self/fd/{folder}"
    finally:
        os.close(folder)


def run_initdb(binaries: Path, cluster: Path, identity: Identity, role: str) -> str | None:
    """Make a cluster with one role and its database; return what went wrong, if anything."""
    with reachable(cluster) as (folder, name):
        made = subprocess.run(
            [
                *(binaries / "initdb", "-D", name, "-U", role, "-E", "UTF8", "--no-sync"),
                *("--locale=C", "--auth=peer", "--no-instructions"),
            ],
            capture_output=True,
            text=True,
            check=False,
            pass_fds=(folder,),
            env=ENVIRONMENT,
            cwd="/",
            preexec_fn=identity.become(os.getpid()),
        )
        if made.returncode != 0:
            return (made.stderr or made.stdout)[-2000:]
        created = subprocess.run(
            [binaries / "postgres", "--single", "-D", name, "postgres"],
            input=f"CREATE DATABASE {role}\n",
            capture_output=True,
            text=True,
            check=False,
            pass_fds=(folder,),
            env=ENVIRONMENT,
            cwd="/",
            preexec_fn=identity.become(os.getpid()),
        )
    return None if created.returncode == 0 else created.stderr[-2000:]


class PostgresProcess:
    """One postmaster: started as our child, ended by us or by our death."""

    def __init__(self, binaries: Path, cluster: Path, identity: Identity) -> None:
        self.binaries = binaries
        self.cluster = cluster
        self.identity = identity
        self.child: subprocess.Popen[bytes] | None = None

    def postmaster(self) -> tuple[int, str] | None:
        """The pid and the state that the cluster's pid file names."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
        except (OSError, ValueError, IndexError):
            return None

    def wait_for_predecessor(self, seconds: float) -> None:
        """Let a server of a killed service finish; a pid that is somebody else's now counts not."""
        deadline = time.monotonic() + seconds
        while (found := self.postmaster()) is not None and self.is_ours(found[0]):
            if time.monotonic() > deadline:
                os.kill(found[0], signal.SIGQUIT)
                deadline += 5
            time.sleep(0.02)
        # Left by a crash: PostgreSQL would wonder about a reused pid, and we know better.
        with contextlib.suppress(FileNotFoundError):
            (self.cluster / "postmaster.pid").unlink()

    def is_ours(self, pid: int) -> bool:
        """Whether `pid` is a postgres that works in this cluster."""
        try:
            return Path(f"/proc/{pid}/cwd").resolve() == self.cluster.resolve()
        except OSError:
            return False

    def start(self, settings: Mapping[str, str], log: Path, seconds: float) -> bool:
        """Start and wait until connections are taken; False when it ended or took too long."""
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with reachable(self.cluster) as (folder, name), log.open("wb") as out:
            self.child = subprocess.Popen(
                [self.binaries / "postgres", "-D", name, *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=(folder,),
                env=ENVIRONMENT,
                cwd="/",
                preexec_fn=self.identity.become(os.getpid()),
            )
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.child.poll() is None:
            found = self.postmaster()
            if found is not None and found == (self.child.pid, "ready"):
                return True
            time.sleep(0.005)
        return False

    def stop(self) -> None:
        """End it: fast, then at once, then by force."""
        if self.child is None:
            return
        for how, seconds in ((signal.SIGINT, 20), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            if self.child.poll() is not None:
                break
            self.child.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(seconds)
        self.child = None
