"""Which users may connect to an embedded server, and as which user it runs."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.store.postgres import launcher
from service.store.postgres.binaries import PACKAGE, find_binaries
from service.store.postgres.process import read_postmaster

Maker = Callable[..., Any]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")

KNOCK = """
import asyncio, os, sys
import asyncpg
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))

async def knock():
    try:
        await asyncpg.connect(sys.argv[1], timeout=5)
    except Exception as exc:
        print(type(exc).__name__, exc)
    else:
        print("in")

asyncio.run(knock())
"""


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder open to all users, unlike pytest's own, which are closed for root."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def knock(dsn: str, uid: int) -> str:
    """The error of another user who tries to connect."""
    told = subprocess.run(
        [sys.executable, "-c", KNOCK, dsn, str(uid)], capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def stranger() -> int:
    """A user that is neither root nor the one that runs the server."""
    return pwd.getpwnam("nobody" if has_postgres_user() else "daemon").pw_uid


def has_postgres_user() -> bool:
    return any(entry.pw_name == "postgres" for entry in pwd.getpwall())


@as_root
def test_another_user_comes_to_a_closed_door(server: Maker, tmp_path: Path) -> None:
    dsn = server(tmp_path / "data").start()
    assert knock(dsn, stranger()).startswith("PermissionError")
    assert knock(dsn, os.geteuid()) == "in"


@as_root
@pytest.mark.parametrize("long", [False, True])
def test_another_user_is_refused_even_where_every_door_was_opened(
    open_place: Path, server: Maker, long: bool
) -> None:
    embedded = server(open_place / ("x" * 120 if long else "data"))
    dsn = embedded.start()
    folder = embedded.cluster
    if long:
        folder = Path(parse_qs(urlsplit(dsn).query)["host"][0])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for place in (embedded.data_dir.path, folder):
        place.chmod(0o755)
    (folder / ".s.PGSQL.5432").chmod(0o777)
    for uid in {stranger(), folder.stat().st_uid, pwd.getpwnam("daemon").pw_uid}:
        assert knock(dsn, uid).startswith("InvalidAuthorizationSpecificationError")


def test_listens_to_no_network(server: Maker, tmp_path: Path) -> None:
    server(tmp_path / "data").start()
    found = read_postmaster(tmp_path / "data/postgres")
    assert found is not None
    inodes = set()
    for entry in Path(f"/proc/{found[0]}/fd").iterdir():
        link = str(entry.readlink())
        if link.startswith("socket:["):
            inodes.add(link[8:-1])
    assert inodes
    for table in ("tcp", "tcp6", "udp", "udp6"):
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        assert not inodes & {line.split()[9] for line in lines}


@as_root
def test_root_hands_the_server_to_a_harmless_user_and_opens_no_folder(
    server: Maker, ask: Maker, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = {place: place.stat().st_mode for place in (closed, *closed.parents)}

    dsn = server(closed / "data").start()

    found = read_postmaster(closed / "data/postgres")
    assert found is not None
    status = Path(f"/proc/{found[0]}/status").read_text()
    identity = {line.split()[0]: line.split()[1:] for line in status.splitlines() if line.split()}
    expected = str((closed / "data/postgres").stat().st_uid)
    assert expected != "0"
    assert identity["Uid:"] == [expected] * 4
    assert "0" not in identity["Gid:"]
    assert identity["Groups:"] == []
    assert identity["CapEff:"] == ["0000000000000000"]
    assert {place: place.stat().st_mode for place in before} == before
    assert ask(dsn, "SELECT system_user") == "peer:root"


@as_root
def test_programs_that_the_servers_user_cannot_reach_are_lent_to_it(
    server: Maker, ask: Maker, tmp_path: Path
) -> None:
    """Root's own environment is usually under /root, which is closed to other users."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    source = find_binaries().parents[1]
    for name in (PACKAGE, f"{PACKAGE}.libs"):
        shutil.copytree(source.parent / name, home / name)
    embedded = server(tmp_path / "data", binaries=home / PACKAGE / "pginstall18" / "bin")

    assert ask(embedded.start(), "SELECT 1") == 1

    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    (lent,) = (tmp_path / "data/run_folders").read_text().split()
    assert Path(lent).stat().st_uid == 0
    for place in Path(lent).rglob("*"):
        assert stat.S_IMODE(place.stat().st_mode) == 0o755
    embedded.stop()
    assert not Path(lent).exists()


@as_root
def test_an_ordinary_user_runs_it_as_himself(open_place: Path, owner: Maker) -> None:
    uid = pwd.getpwnam("nobody").pw_uid
    python = find_python(uid)
    readable = ["/usr/bin/test", "-x", str(find_binaries() / "postgres")]
    if subprocess.run(readable, user=uid, check=False).returncode != 0:
        pytest.skip("this user may not read the environment that the tests run in")
    data_dir = open_place / "data"
    data_dir.mkdir(mode=0o700)
    os.chown(data_dir, uid, uid)
    service = owner(data_dir, uid, python)
    assert service.who == "peer:nobody"
    assert (data_dir / "postgres").stat().st_uid == uid
    service.process.kill()
    service.process.wait()
    again = owner(data_dir, uid, python)
    assert again.who == "peer:nobody"
    assert knock(again.dsn, pwd.getpwnam("daemon").pw_uid).startswith("PermissionError")


def find_python(uid: int) -> str:
    """An interpreter that this user may run; the launcher needs nothing but the standard library."""
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            subprocess.run([python, "-I", "-S", "-c", "import ctypes"], user=uid, check=True)
        except OSError:
            continue
        return python
    pytest.skip("this user may run no Python on this machine")


@as_root
def test_a_link_that_the_servers_user_planted_leads_our_pen_nowhere(
    server: Maker, tmp_path: Path
) -> None:
    embedded = server(tmp_path / "data")
    embedded.start()
    embedded.stop()
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in ("pg_hba.conf", "pg_ident.conf"):
        rules = tmp_path / "data/postgres" / name
        rules.unlink()
        rules.symlink_to(precious)
    server(tmp_path / "data").start()
    assert precious.read_text() == "mine"
    assert precious.stat().st_uid == 0


def test_the_launcher_starts_nothing_for_a_service_that_is_gone(tmp_path: Path) -> None:
    """The service is killed after it started the launcher and before the death signal is set."""
    told = subprocess.run(
        [
            *(sys.executable, "-I", "-S", launcher.__file__),
            *(str(os.getppid()), str(os.geteuid()), str(os.getegid())),
            *("/bin/touch", str(tmp_path / "started")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode != 0
    assert "service ended" in told.stderr
    assert not (tmp_path / "started").exists()
