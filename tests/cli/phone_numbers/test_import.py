"""`callgate numbers import` as an operator uses it: what is printed, what is stored, how it ends."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.cli.phone_numbers.helpers import COMMAND, HEADER, Done, Run, count
from tests.support.commands import run_beside


@pytest.fixture
def run_process(environment: dict[str, str]) -> Run:
    """Runs `callgate numbers import …` as a process; the sandbox answers from this very loop."""

    async def once(*arguments: str, stdin: bytes = b"", **given: str) -> Done:
        typed = stdin.decode()
        done = await run_beside({**environment, **given}, *COMMAND, *arguments, typed=typed)
        assert "Traceback" not in done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return once


async def test_plan_apply_and_again(
    *, run: Run, run_process: Run, vapi: SandboxVapi, pool: Pool, bakery: str, tmp_path: Path
) -> None:
    ids = vapi.add_numbers(3)
    file = tmp_path / "numbers.csv"
    file.write_text(HEADER + f"{ids[0]},b-1,,\n+15550000001,{bakery},Back,request\n")
    planned = await run(str(file), "--dry-run")
    assert planned.code == 2
    assert await count(pool) == 0
    lines = planned.out.splitlines()
    assert lines[0].split() == ["line", "number", "organization", "action", "message"]
    assert "2" in lines[1]
    assert f"{ids[0]} (+15550000000)" in lines[1]
    assert "Bakery [bold]" in lines[1]
    assert "create" in lines[1]
    assert lines[3] == "2 to create, 0 to update, 0 unchanged, 0 errors."
    done = await run_process(str(file))
    assert done.code == 0
    assert "Asking" not in done.err
    assert "2 created, 0 updated" in done.out
    assert "2 of these numbers are still pending" in done.out
    assert "callgate reconcile" in done.out
    assert "+1555" not in done.err
    assert await count(pool) == 2
    again = await run(str(file))
    assert again.code == 0
    assert "2 unchanged" in again.out
    assert "pending" not in again.out
    assert (await run(str(file), "--dry-run")).code == 0
    audited = await pool.fetchrow("SELECT DISTINCT actor, source FROM callgate.audit")
    assert audited is not None
    assert tuple(audited) == ("command line", "cli")


@pytest.mark.parametrize(("answer", "code", "stored"), [(b"n\n", 1, 0), (b"y\n", 0, 1)])
async def test_a_terminal_is_asked(
    *,
    environment: dict[str, str],
    vapi: SandboxVapi,
    pool: Pool,
    bakery: str,
    tmp_path: Path,
    answer: bytes,
    code: int,
    stored: int,
) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text(HEADER + f"{vapi.add_numbers(1)[0]},b-1,,\n")
    ours, theirs = os.openpty()
    os.write(ours, answer)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service", *COMMAND, str(file)),
        env={**environment, "TERM": "xterm", "COLUMNS": "200"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    async with asyncio.timeout(60):
        assert await process.wait() == code
    os.set_blocking(ours, False)
    said = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "\x1b[32mcreate" in said
    assert "Go ahead" in said
    assert await count(pool) == stored


async def test_bad_rows_end_with_1_and_the_good_ones_go_on_if_told_so(
    run: Run, vapi: SandboxVapi, pool: Pool, bakery: str
) -> None:
    ids = vapi.add_numbers(2)
    text = HEADER + f"{ids[0]},b-1,=1+1,\n1.5E+10,b-1,,\n{ids[1]},b-1,,\n{ids[0]},nobody,,\n"
    planned = await run("-", "--dry-run", "--json", stdin=text.encode("utf-16"))
    assert planned.code == 1
    assert planned.json["applied"] is False
    held = await run("-", "--json", stdin=text.encode())
    assert held.code == 1
    assert held.json["applied"] is False
    assert "Nothing was applied: rows with an error: 3." in held.err
    assert "--yes" in held.err
    assert await count(pool) == 0
    done = await run("-", "--json", "--yes", stdin=text.encode())
    assert done.code == 1
    assert done.json["created"] == 1
    assert done.json["errors"] == 3
    assert done.json["pending"] == 1
    rows = done.json["rows"]
    assert [row["line"] for row in rows] == [2, 3, 4, 5]
    assert [row["code"] for row in rows] == [
        "invalid_label",
        "invalid_phone_number",
        None,
        "organization_not_found",
    ]
    assert rows[2]["action"] == "create"
    assert rows[2]["vapi_phone_number_id"] == ids[1]
    assert await count(pool) == 1


async def test_files_and_options_that_cannot_be_used(run: Run, pool: Pool, tmp_path: Path) -> None:
    for arguments, stdin, words in (
        (["-"], b"", "empty"),
        (["-"], b"a,b\n", "Known columns"),
        ([str(tmp_path / "none.csv")], b"", "cannot be read: No such file"),
        ([str(tmp_path)], b"", "cannot be read: Is a directory"),
        ([], b"", "--from-vapi"),
        (["-", "--from-vapi"], b"", "--from-vapi"),
        (["-", "--organization", "b-1"], b"", "go with --from-vapi"),
        (["--from-vapi", "--csv", "--json"], b"", "--csv"),
        (["--from-vapi", "--organization", "nobody"], b"", "no such organization"),
    ):
        done = await run(*arguments, stdin=stdin)
        assert done.code == 1, arguments
        assert words in done.err
        assert not done.out
    done = await run("-", stdin=HEADER.encode(), VAPI_API_KEY="")
    assert done.code == 1
    assert "VAPI_API_KEY is missing" in done.err


async def test_a_header_alone_is_nothing_to_do(run: Run, vapi: SandboxVapi) -> None:
    done = await run("-", "--dry-run", stdin=HEADER.encode())
    assert done.code == 0
    assert "0 to create" in done.out
    assert vapi.requests() == []
