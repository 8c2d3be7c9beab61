"""`callgate serve --sandbox` as a process of its own, as a newcomer starts it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import commands
from tests.support.service import unused_port


def clean_environment(folder: Path) -> dict[str, str]:
    """This machine's environment without its own settings, with a data folder of the test's."""
    return commands.clean_environment(CALLGATE_DATA_DIR=str(folder / "data"))


@contextmanager
def sandbox_process(folder: Path, *options: str) -> Iterator[list[str]]:
    """Run it and yield the lines that it prints; it must end well on SIGTERM."""
    log = folder / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "service", "serve", "--sandbox", *options),
                *("--port", str(unused_port())),
            ],
            env=clean_environment(folder),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    with process, process.stdout:
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if len([entry for entry in lines if entry.startswith("curl ")]) == 2:
                break
        assert process.poll() is None, log.read_text()
        try:
            yield lines
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "Traceback" not in log.read_text()
