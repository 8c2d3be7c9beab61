"""Commands beside a running sandbox: each works as it stands, and what the start printed is true."""

import json
import shlex
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import run_command
from tests.support.sandbox_process import clean_environment, sandbox_process
from tests.support.waiting import wait_until


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command of a second terminal, where nothing is exported."""
    return run_command(clean_environment(folder), *words)


def read(url: str, token: str = "") -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def variables(printed: list[str]) -> dict[str, str]:
    line = next(line for line in printed if line.startswith("export "))
    return dict(word.split("=", 1) for word in shlex.split(line)[1:])


def test_every_command_works_beside_the_sandbox_as_it_stands(tmp_path: Path) -> None:
    with sandbox_process(tmp_path):
        saying: tuple[tuple[tuple[str, ...], str], ...] = (
            (("doctor",), "Vapi accepts the key"),
            (("reconcile", "--dry-run"), "3 checked: 3 in sync."),
            (("numbers", "import", "--from-vapi"), "are not registered"),
        )
        for words, said in saying:
            done = command(tmp_path, *words)
            assert (done.returncode, done.stderr) == (0, ""), (words, done.stdout, done.stderr)
            assert said in done.stdout, (words, done.stdout)
        done = command(tmp_path, "explain", "sample-blocked-bakery", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        explained = json.loads(done.stdout)
        # By the service itself, on whichever port it listens: its policies have their counts.
        assert (explained["reason"], explained["decided_by"]) == ("no_plan_or_trial", "service")


def test_the_address_of_the_sandbox_stays_over_starts_while_it_is_free(tmp_path: Path) -> None:
    """What was pasted into a second terminal is still true."""
    with sandbox_process(tmp_path) as printed:
        first = variables(printed)["SANDBOX"]
    with sandbox_process(tmp_path) as printed:
        assert variables(printed)["SANDBOX"] == first
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(first.rpartition(":")[2])))
        taken.listen()
        with sandbox_process(tmp_path) as printed:
            assert variables(printed)["SANDBOX"] != first


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_a_printed_call_begins_when_its_command_is_pasted(tmp_path: Path) -> None:
    """Printing alone makes no call; the blocked one is hung up, the allowed one talks and ends."""
    with sandbox_process(tmp_path) as printed:
        given = variables(printed)
        blocked, allowed = [line for line in printed if line.startswith("curl ")]
        overview = f"{given['SANDBOX']}/_sandbox"
        assert read(overview)["calls"] == 0

        def calls() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = read(f"{given['API']}/calls", given["TOKEN"])["items"]
            return sorted(found, key=lambda call: str(call["blocked"]))

        for line, status in ((blocked, "403"), (allowed, "200")):
            done = subprocess.run(
                shlex.split(line), capture_output=True, text=True, timeout=30, check=True
            )
            assert done.stdout.splitlines()[0].split()[1] == status
        wait_until(lambda: read(overview)["calls"] == 2, 20)
        wait_until(lambda: (calls()[1]["hangup"] or {}).get("state") == "confirmed", 20)
        assert [call["status"] for call in calls()] == ["in-progress", "failed"]
        live = read(overview)["liveCalls"]
        assert live == [calls()[0]["vapi_call_id"]]
        # Its caller leaves, and the end is reported as for any call.
        hangup = urllib.request.Request(
            f"{given['SANDBOX']}/_sandbox/calls/{live[0]}/hangup", method="POST"
        )
        urllib.request.urlopen(hangup, timeout=10).close()
        wait_until(lambda: calls()[0]["status"] == "ended", 20)
