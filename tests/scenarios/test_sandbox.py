"""`callgate serve --sandbox`: its output is correct, with one process and with two."""

import asyncio
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sandbox_process import sandbox_process


@pytest.fixture(params=[(), ("--workers", "2")], ids=["one process", "two workers"])
def printed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """What the command prints, as lines, while it runs."""
    with sandbox_process(tmp_path, *request.param) as lines:
        yield lines


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
