"""The life of an embedded server: start, kill, start again, stop."""

import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.store.postgres.binaries import find_binaries
from service.store.postgres.process import list_working, read_postmaster
from service.store.postgres.server import EmbeddedPostgresError
from tests.support.waiting import wait_until

Maker = Callable[..., Any]


def postmaster_pid(data_dir: Path) -> int:
    found = read_postmaster(data_dir / "postgres")
    assert found is not None
    return found[0]


def open_files() -> list[Path]:
    return sorted(Path("/proc/self/fd").iterdir())


def test_starts_cold_and_warm_and_keeps_what_was_written(
    server: Maker, ask: Maker, tmp_path: Path
) -> None:
    taken = []
    for attempt in range(2):
        embedded = server(tmp_path / "data", options={})
        began = time.perf_counter()
        dsn = embedded.start()
        taken.append(time.perf_counter() - began)
        if attempt == 0:
            ask(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert ask(dsn, "SELECT answer FROM kept") == 42
        embedded.stop()
    print(f"cold {taken[0]:.2f} s, warm {taken[1]:.3f} s")
    assert taken[0] < 20
    assert taken[1] < 5


def test_is_set_up_to_lose_nothing_and_to_speak_utf8(
    server: Maker, ask: Maker, tmp_path: Path
) -> None:
    dsn = server(tmp_path / "data", options={}).start()
    expected = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "TimeZone": "UTC",
        "jit": "off",
        "listen_addresses": "",
        "max_connections": "200",
        "server_encoding": "UTF8",
    }
    found = {name: ask(dsn, "SELECT current_setting($1)", name) for name in expected}
    assert found == expected
    collation = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
    assert ask(dsn, collation) == "C"


def test_a_killed_service_takes_its_server_along_and_its_data_survive(
    server: Maker, owner: Maker, ask: Maker, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    service = owner(data_dir)
    ask(service.dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    pid = postmaster_pid(data_dir)
    service.process.kill()
    service.process.wait()

    # At once: the old server may still be ending.
    dsn = server(data_dir).start()

    assert ask(dsn, "SELECT answer FROM kept") == 42
    assert postmaster_pid(data_dir) != pid
    assert not Path(f"/proc/{pid}/exe").exists()


def test_a_killed_services_server_is_gone_soon(owner: Maker, tmp_path: Path) -> None:
    service = owner(tmp_path / "data")
    assert list_working(tmp_path / "data" / "postgres")
    service.process.kill()
    wait_until(lambda: not list_working(tmp_path / "data" / "postgres"), seconds=10)


def test_waits_for_a_server_that_takes_its_time_to_end(
    server: Maker, owner: Maker, ask: Maker, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    service = owner(data_dir)
    pid = postmaster_pid(data_dir)
    os.kill(pid, signal.SIGSTOP)
    service.process.kill()
    service.process.wait()
    threading.Timer(0.5, os.kill, (pid, signal.SIGCONT)).start()
    began = time.monotonic()

    dsn = server(data_dir).start()

    assert time.monotonic() - began > 0.4
    assert ask(dsn, "SELECT 1") == 1


def test_starts_after_the_server_itself_was_killed(
    server: Maker, ask: Maker, tmp_path: Path
) -> None:
    embedded = server(tmp_path / "data")
    ask(embedded.start(), "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(postmaster_pid(tmp_path / "data"), signal.SIGKILL)
    embedded.stop()
    assert ask(server(tmp_path / "data").start(), "SELECT answer FROM kept") == 42


def test_a_pid_that_is_a_strangers_by_now_is_in_nobodys_way(
    server: Maker, ask: Maker, tmp_path: Path
) -> None:
    embedded = server(tmp_path / "data")
    embedded.start()
    pidfile = (tmp_path / "data/postgres/postmaster.pid").read_text()
    embedded.stop()
    # As after a crash, and this running process has got the pid since.
    lines = pidfile.splitlines()
    stale = "\n".join([str(os.getpid()), *lines[1:]]) + "\n"
    cluster = tmp_path / "data/postgres"
    (cluster / "postmaster.pid").write_text(stale)
    (cluster / ".s.PGSQL.5432.lock").write_text(stale)
    with socket.socket(socket.AF_UNIX) as left, pytest.MonkeyPatch.context() as patch:
        patch.chdir(cluster)
        left.bind(".s.PGSQL.5432")

    assert ask(server(tmp_path / "data").start(), "SELECT 1") == 1


def test_an_interrupted_first_start_is_begun_anew(
    server: Maker, ask: Maker, tmp_path: Path
) -> None:
    unfinished = tmp_path / "data" / "postgres.unfinished-x"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    assert ask(server(tmp_path / "data").start(), "SELECT 1") == 1
    assert not unfinished.exists()


def test_a_failed_start_shows_the_servers_last_words_and_gives_the_folder_up(
    server: Maker, tmp_path: Path
) -> None:
    with pytest.raises(EmbeddedPostgresError, match="shared_buffers"):
        server(tmp_path / "data", options={"shared_buffers": "a lot"}).start()
    server(tmp_path / "data").start()


def test_the_log_is_begun_anew_at_each_start_and_the_last_one_kept(
    server: Maker, tmp_path: Path
) -> None:
    log, before = tmp_path / "data/postgres.log", tmp_path / "data/postgres.log.1"
    for _ in range(3):
        embedded = server(tmp_path / "data")
        embedded.start()
        embedded.stop()
    for file in (log, before):
        assert file.read_text().count("ready to accept connections") == 1
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_statement_and_no_row_gets_into_the_log(
    server: Maker, ask: Maker, tmp_path: Path
) -> None:
    dsn = server(tmp_path / "data").start()
    ask(dsn, "CREATE TABLE calls (url text CHECK (url <> 'https://control.example/s3cret'))")
    with pytest.raises(asyncpg.CheckViolationError):
        ask(dsn, "INSERT INTO calls VALUES ('https://control.example/s3cret')")
    assert "s3cret" not in (tmp_path / "data/postgres.log").read_text()


def test_leaves_no_file_open_and_no_folder_behind(server: Maker, tmp_path: Path) -> None:
    before = open_files()
    left = set(Path("/tmp").glob("callgate-*"))
    embedded = server(tmp_path / "a folder with spaces" / ("x" * 120))
    embedded.start()
    assert open_files() != before
    embedded.stop()
    embedded.stop()
    assert open_files() == before
    assert set(Path("/tmp").glob("callgate-*")) <= left


@pytest.mark.parametrize("name", ["x" * 120, "a,b c größe", "per%cent q?a=b&c"])
def test_works_wherever_the_folder_is(
    server: Maker, owner: Maker, ask: Maker, tmp_path: Path, name: str
) -> None:
    data_dir = tmp_path / name
    service = owner(data_dir)
    assert ask(service.dsn, "SELECT 1") == 1
    service.process.kill()
    service.process.wait()
    assert ask(server(data_dir).start(), "SELECT 1") == 1


def test_what_a_killed_service_left_outside_is_removed(
    server: Maker, owner: Maker, tmp_path: Path
) -> None:
    data_dir = tmp_path / ("x" * 120)
    service = owner(data_dir)
    left = [Path(line) for line in (data_dir / "run_folders").read_text().split()]
    assert left
    assert all(folder.is_dir() for folder in left)
    service.process.kill()
    service.process.wait()
    embedded = server(data_dir)
    embedded.start()
    assert not any(folder.exists() for folder in left)
    embedded.stop()
    assert not (data_dir / "run_folders").exists()


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(server: Maker, tmp_path: Path) -> None:
    server(tmp_path / "data").start()
    pid = postmaster_pid(tmp_path / "data")
    assert os.getsid(pid) != os.getsid(0)
    assert os.getpgid(pid) != os.getpgid(0)


def test_the_environment_of_postgresql_clients_changes_nothing(
    server: Maker, ask: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGPORT": "1",
        "PGHOST": "192.0.2.1",
        "PGDATABASE": "other",
        "PGUSER": "other",
        "PGSSLMODE": "require",
        "PGDATA": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    assert ask(server(tmp_path / "data").start(), "SELECT current_database()") == "callgate"


def test_is_started_from_the_main_thread_only(server: Maker, tmp_path: Path) -> None:
    """The server ends with the thread that started it."""
    raised: list[Exception] = []

    def start() -> None:
        try:
            server(tmp_path / "data").start()
        except RuntimeError as exc:
            raised.append(exc)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0])


def test_data_of_another_major_version_are_refused_and_left_alone(
    server: Maker, ask: Maker, tmp_path: Path
) -> None:
    older = find_binaries().parents[1] / "pginstall" / "bin"
    if not older.exists():
        pytest.skip("the package brings no second version of PostgreSQL")
    embedded = server(tmp_path / "data", binaries=older)
    ask(embedded.start(), "CREATE TABLE kept AS SELECT 42 AS answer")
    embedded.stop()

    with pytest.raises(EmbeddedPostgresError, match=r"made by PostgreSQL 16, and this is 18\."):
        server(tmp_path / "data").start()

    again = server(tmp_path / "data", binaries=older)
    assert ask(again.start(), "SELECT answer FROM kept") == 42
