"""`callgate numbers import` as an operator uses it: what is printed, what is stored, how it ends."""

import asyncio
import csv
import io
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from service.cli import main
from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.service import Start, eventually

COMMAND = ("numbers", "import")
HEADER = "phone_number,organization,label,gate\n"


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)


Run = Callable[..., Awaitable[Done]]


@pytest.fixture
def environment(vapi: SandboxVapi, dsn: str, tmp_path: Path) -> dict[str, str]:
    """Settings for the sandbox; nothing of this machine's own is among them."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VAPI_", "CALLGATE_", "DATABASE_", "NEXT_"))
    }
    return {
        **kept,
        "VAPI_API_KEY": vapi.api_key,
        "VAPI_API_URL": vapi.base_url,
        "VAPI_WEBHOOK_SECRET": "webhook-secret",
        "VAPI_WEBHOOK_URL": "https://calls.agency.net/api/vapi/webhook",
        "CALLGATE_DATA_DIR": str(tmp_path / "data"),
        "CALLGATE_VAPI_REQUESTS_PER_SECOND": "1000",
        "DATABASE_URL": dsn,
    }


@pytest.fixture
def run_process(environment: dict[str, str]) -> Run:
    """Runs `callgate numbers import …` as a process; the sandbox answers from this very loop."""

    async def once(*arguments: str, stdin: bytes = b"", **given: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "service", *COMMAND, *arguments),
            env={**environment, **given},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        assert b"Traceback" not in err
        return Done(process.returncode, out.decode(), err.decode())

    return once


@pytest.fixture
def run(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same in a thread: a process takes seconds to import everything."""

    def in_thread(arguments: tuple[str, ...], stdin: bytes) -> Done:
        out, err = io.StringIO(), io.StringIO()
        root = logging.getLogger()
        handlers, level, configured = root.handlers[:], root.level, structlog.get_config()
        try:
            with monkeypatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
                patched.setattr(sys, "argv", ["callgate", *COMMAND, *arguments])
                patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
                with pytest.raises(SystemExit) as ended:
                    main()
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            structlog.configure(**configured)
        assert "Traceback" not in err.getvalue()
        return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())

    async def once(*arguments: str, stdin: bytes = b"", **given: str) -> Done:
        with monkeypatch.context() as patched:
            for name in set(os.environ) - set(environment):
                patched.delenv(name)
            for name, value in {**environment, **given}.items():
                patched.setenv(name, value)
            return await asyncio.to_thread(in_thread, arguments, stdin)

    return once


@pytest.fixture
async def bakery(pool: Pool) -> str:
    statement = (
        "INSERT INTO callgate.organizations (name, external_id) VALUES ($1, $2) RETURNING id"
    )
    return str(await pool.fetchval(statement, "Bakery [bold]", "b-1"))


async def count(pool: Pool) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM callgate.phone_numbers"))


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


async def test_bad_rows_end_with_1_and_the_good_ones_go_on(
    run: Run, vapi: SandboxVapi, pool: Pool, bakery: str
) -> None:
    ids = vapi.add_numbers(2)
    text = HEADER + f"{ids[0]},b-1,=1+1,\n1.5E+10,b-1,,\n{ids[1]},b-1,,\n{ids[0]},nobody,,\n"
    planned = await run("-", "--dry-run", "--json", stdin=text.encode("utf-16"))
    assert planned.code == 1
    assert planned.json["applied"] is False
    done = await run("-", "--json", stdin=text.encode())
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


async def test_what_is_at_vapi_becomes_a_file_and_then_numbers(
    run: Run, vapi: SandboxVapi, pool: Pool, bakery: str
) -> None:
    vapi.add_numbers(1)
    odd = vapi.add_number(name="=HYPERLINK(1)", number="+15550000009")["id"]
    bare = vapi.add_number(number="+15550000010", assistantId="asst-1")["id"]
    shown = await run("--from-vapi")
    assert shown.code == 0
    assert "assistantId asst-1" in shown.out
    assert "3 numbers at Vapi are not registered" in shown.out
    assert [item["id"] for item in (await run("--from-vapi", "--json")).json][1:] == [odd, bare]
    made = (await run("--from-vapi", "--csv")).out
    rows = list(csv.reader(io.StringIO(made)))
    assert rows[0] == ["phone_number", "organization", "label", "gate"]
    assert rows[2] == [odd, "", "'=HYPERLINK(1)", "event"]
    assert rows[3] == [bare, "", "Number +15550000010", "event"]
    assert not any(cell.startswith(tuple("=+-@\t")) for row in rows for cell in row)
    done = await run("-", stdin=made.replace(",,", ",b-1,").encode())
    assert done.code == 0
    assert await count(pool) == 3
    assert "0 numbers at Vapi" in (await run("--from-vapi")).out


async def test_all_of_vapis_at_once(run: Run, vapi: SandboxVapi, pool: Pool, bakery: str) -> None:
    ids = vapi.add_numbers(300)
    arguments = ("--from-vapi", "--organization", bakery)
    assert (await run(*arguments, "--dry-run")).code == 2
    assert await count(pool) == 0
    done = await run(*arguments, "--yes")
    assert done.code == 0
    assert "300 created" in done.out
    assert ids[299] in done.out
    assert (await run(*arguments)).code == 0
    assert await count(pool) == 300


async def test_a_running_service_takes_it_from_there(
    run: Run, start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica()
    ids = vapi.add_numbers(3)
    await callgate.add_organization("Bakery")
    text = HEADER + "".join(f"{found},Bakery,,\n" for found in ids)
    assert (await run("-", stdin=text.encode())).code == 0

    async def in_sync() -> bool:
        found = await callgate.api("GET", "/phone-numbers?sync_state=in_sync")
        return len(found.json["items"]) == 3

    await eventually(in_sync)
    changed = text.replace(",,\n", ",Front,\n")
    done = await run("-", stdin=changed.encode())
    assert "label: (none) → Front" in done.out
    assert "3 updated" in done.out


async def test_vapi_away(run: Run, vapi: SandboxVapi, pool: Pool, bakery: str) -> None:
    number_id = vapi.add_numbers(1)[0]
    vapi.fail("GET *", status=401)
    done = await run("-", stdin=(HEADER + f"{number_id},b-1,,\n+15550000000,b-1,,\n").encode())
    assert done.code == 1
    assert "check VAPI_API_KEY" in done.err
    assert "1 created" in done.out
    assert await count(pool) == 1
    done = await run("--from-vapi")
    assert done.code == 1
    assert "check VAPI_API_KEY" in done.err
