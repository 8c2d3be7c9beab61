"""Becomes one of PostgreSQL's programs. Run by its path in a bare interpreter; imports no package.

It is a process of its own between us and PostgreSQL, because these steps are not safe in a fork of a
process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def become(parent: int, uid: int, gid: int, command: list[str]) -> None:
    """Drop root, arrange to end with the service, and exec `command`.

    The death signal is set after the change of user, which would clear it. SIGINT is PostgreSQL's
    fast shutdown: sessions end, everything committed is on disk.
    """
    if os.geteuid() != uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("The service ended before PostgreSQL started.")
    # Python ignores these two signals, and exec keeps them ignored.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execve(command[0], command, ENVIRONMENT)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    try:
        become(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
    except OSError as exc:
        sys.exit(f"PostgreSQL cannot be started as user {sys.argv[2]}: {exc}")
