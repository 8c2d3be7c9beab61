"""Commands as processes that share their imports: a server imports everything once, and forks.

A command has its own environment, input, output and exit code, and takes a tenth of the CPU of one that
imports the service. Run as a module, this is the server.
"""

import asyncio
import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock

from service.cli import Commands, main
from service.cli.policies import PolicyCommands

ROOT = Path(__file__).parents[2]
SECONDS = 60
OURS = ("VAPI_", "CALLGATE_", "DATABASE_", "NEXT_")

Done = subprocess.CompletedProcess[str]


def clean_environment(**given: str) -> dict[str, str]:
    """This machine's environment without settings of ours, and what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, **given}


async def run_beside(environment: Mapping[str, str], *words: str, typed: str = "") -> Done:
    """Run a command while the event loop goes on."""
    return await asyncio.to_thread(run_command, environment, *words, typed=typed)


def run_command(environment: Mapping[str, str], *words: str, typed: str = "") -> Done:
    """Run `callgate` with these words. Raises `TimeoutError` after `SECONDS`."""
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(typed.encode())
        given.seek(0)
        streams = [given.fileno(), out.fileno(), err.fileno()]
        code = server().run(json.dumps([words, dict(environment)]), streams)
        out.seek(0)
        err.seek(0)
        return Done(words, code, out.read().decode(), err.read().decode())


@cache
def server() -> "CommandServer":
    """The server of this process; it ends with it."""
    return CommandServer()


class CommandServer:
    """A process that has imported all commands."""

    def __init__(self) -> None:
        self.channel, theirs = socket.socketpair()
        self.lock = Lock()
        command = [sys.executable, "-m", "tests.support.commands", str(theirs.fileno())]
        with theirs:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        atexit.register(self.stop)

    def run(self, request: str, streams: list[int]) -> int:
        """The exit code of a command with these three streams."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, self.lock:
                socket.send_fds(self.channel, [b"."], [theirs.fileno(), *streams])
            ours.settimeout(SECONDS)
            ours.sendall(request.encode() + b"\n")
            return int(ours.recv(16))

    def stop(self) -> None:
        self.channel.close()
        self.process.wait()


def serve(channel: socket.socket) -> None:
    """Fork for each request until the channel ends. Returns as well in each command's process."""
    for one in (*Commands.lazily.values(), *PolicyCommands.lazily.values()):
        import_module(one.module)
    for module in ("service.serve.command_rooms", "alembic.command"):
        import_module(module)
    gc.freeze()
    while True:
        mark, files, _, _ = socket.recv_fds(channel, 1, 4)
        if not mark:
            sys.exit()
        if os.fork() == 0 and begin(socket.socket(fileno=files[0]), files[1:]):
            channel.close()
            return
        for file in files:
            os.close(file)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def begin(answer: socket.socket, streams: list[int]) -> bool:
    """Become a command: True in its process, while this one waits for it and ends."""
    words, environment = json.loads(answer.makefile().readline())
    pid = os.fork()
    if pid == 0:
        answer.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["callgate", *words]
        return True
    if select.select([answer.fileno(), os.pidfd_open(pid)], [], [])[0][0] == answer.fileno():
        os.kill(pid, signal.SIGKILL)
    answer.sendall(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    os._exit(0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    main()
