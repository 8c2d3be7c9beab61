"""`callgate serve --sandbox`: what it prints is true, with one process and with two."""

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import unused_port


@pytest.fixture(params=[(), ("--workers", "2")], ids=["one process", "two workers"])
def printed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """What the command prints, as lines, while it runs."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VAPI_", "CALLGATE_", "DATABASE_", "NEXT_"))
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "service", "serve", "--sandbox", *request.param),
                *("--port", str(unused_port())),
            ],
            env={**kept, "CALLGATE_DATA_DIR": str(tmp_path / "data")},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    with process, process.stdout:
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if len([entry for entry in lines if entry.startswith("curl ")]) == 2:
                break
        assert process.poll() is None, (tmp_path / "log").read_text()
        yield lines
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "Traceback" not in (tmp_path / "log").read_text()


async def test_the_printed_calls_do_what_is_printed(printed: list[str]) -> None:
    blocked, allowed = (line for line in printed if line.startswith("curl "))
    for command, status in ((blocked, "403"), (allowed, "200")):
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command), stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert output.decode().splitlines()[0].split()[1] == status
    text = "\n".join(printed)
    assert re.search(r"^Panel: +http://127\.0\.0\.1:\d+/admin$", text, re.MULTILINE)
    assert re.search(r"^Sign in: .*cg_", text, re.MULTILINE)
    given = re.search(
        r"^export API=(\S+)/api/v1 TOKEN=cg_\S+ SANDBOX=http://\S+$", text, re.MULTILINE
    )
    assert given is not None
    assert f"{given[1]}/admin" in text
