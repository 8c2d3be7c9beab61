"""The README's walkthrough, command by command, as a newcomer pastes it into a shell."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.documents import README, commands, section
from tests.support.sandbox_process import clean_environment, sandbox_process

WALK = "The same with curl"
SECONDS = 20.0

Items = list[dict[str, Any]]


class Shell:
    """One bash that keeps its variables from one command to the next."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            ["bash", "-u"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, command: str) -> str:
        """Run a command that must succeed; what it prints."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f'{command}\nprintf "\\n--ended %s\\n" $?\n')
        self.process.stdin.flush()
        lines: list[str] = []
        for line in self.process.stdout:
            if line.startswith("--ended "):
                assert line == "--ended 0\n", (command, lines)
                return "".join(lines)
            lines.append(line)
        raise AssertionError(f"The shell ended with {command!r}: {lines}")

    def json(self, command: str) -> Any:
        """What it prints, read as JSON."""
        return json.loads(self.run(command))


def until(read: Callable[[], Items], fits: Callable[[Items], bool]) -> Items:
    """What is read once it fits; what takes too long fails."""
    deadline = time.monotonic() + SECONDS
    while not fits(found := read()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def is_hung_up(items: Items) -> bool:
    return any((item["hangup"] or {}).get("state") == "confirmed" for item in items)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell beside a running sandbox, with the line of variables pasted that it printed."""
    environment = clean_environment(tmp_path)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with sandbox_process(tmp_path) as printed:
        opened = Shell(environment)
        opened.run(next(line for line in printed if line.startswith("export API=")))
        yield opened
        opened.process.communicate(timeout=SECONDS)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_every_command_of_the_walkthrough_does_what_the_readme_says(shell: Shell) -> None:
    dial, blocked, find, plan, explain, dial_again, allowed = commands(section(README, WALK))
    first = shell.json(dial)["id"]
    (record,) = until(lambda: shell.json(blocked)["items"], is_hung_up)
    assert record["vapi_call_id"] == first
    assert (record["blocked"], record["reason"]) == (True, "no_plan_or_trial")
    assert shell.run(find).strip() == ""
    given = shell.json(plan)
    assert (given["plan"]["code"], given["plan"]["status"]) == ("pro", "active")
    assert "Blocked Bakery: allowed, plan_active by plan" in shell.run(explain)
    second = shell.json(dial_again)["id"]
    items = until(lambda: shell.json(allowed)["items"], bool)
    assert [(item["vapi_call_id"], item["blocked"]) for item in items] == [(second, False)]


def test_the_run_command_is_the_one_that_the_tests_start() -> None:
    (command,) = commands(section(README, "Run it"))
    assert command == "pip install -e . && callgate serve --sandbox"
    (command,) = commands(section(README, "Test it"))
    assert command == "pip install -e '.[dev]' && pytest"
