"""The owner of a data folder, and the folders that are rejected."""

import os
import pwd
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.store.postgres.data_dir import DataDir
from service.store.postgres.server import (
    DataDirInUseError,
    EmbeddedPostgresError,
    UnsafeDataDirError,
    find_running,
)

Maker = Callable[..., Any]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")


def test_a_second_owner_is_told_who_has_it_and_what_to_do(
    server: Maker, owner: Maker, tmp_path: Path
) -> None:
    service = owner(tmp_path / "data")
    with pytest.raises(DataDirInUseError) as refusal:
        server(tmp_path / "data").start()
    assert f"process {service.process.pid}." in str(refusal.value)
    assert "DATABASE_URL" in str(refusal.value)
    assert "CALLGATE_DATA_DIR" in str(refusal.value)
    service.end()
    server(tmp_path / "data").start()


def test_a_second_owner_in_the_same_process_is_refused_too(server: Maker, tmp_path: Path) -> None:
    server(tmp_path / "data").start()
    with pytest.raises(DataDirInUseError, match=f"process {os.getpid()}"):
        server(tmp_path / "data").start()


def test_a_running_server_is_found_by_others(owner: Maker, ask: Maker, tmp_path: Path) -> None:
    assert find_running(tmp_path / "data") is None
    service = owner(tmp_path / "data")
    found = find_running(tmp_path / "data")
    assert found == service.dsn
    assert ask(found, "SELECT 1") == 1
    service.end()
    assert find_running(tmp_path / "data") is None


def test_a_killed_owner_owns_nothing(owner: Maker, tmp_path: Path) -> None:
    service = owner(tmp_path / "data")
    service.process.kill()
    service.process.wait()
    assert find_running(tmp_path / "data") is None


def test_a_server_that_is_just_starting_is_waited_for(tmp_path: Path) -> None:
    starting = DataDir(tmp_path / "data")
    starting.claim()
    threading.Timer(0.2, starting.publish, ("postgresql://here",)).start()
    assert find_running(tmp_path / "data") == "postgresql://here"
    starting.release()


def test_an_owner_that_has_no_server_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    starting = DataDir(tmp_path / "data")
    starting.claim()
    assert find_running(tmp_path / "data", seconds=0.1) is None
    starting.release()


def test_a_folder_that_we_make_is_private(server: Maker, tmp_path: Path) -> None:
    server(tmp_path / "a" / "data").start()
    for folder in ("a/data", "a/data/postgres"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_an_empty_folder_that_others_may_read_will_do(server: Maker, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o755)
    (data_dir / "postgres").mkdir(mode=0o755)
    server(data_dir).start()
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o755
    assert stat.S_IMODE((data_dir / "postgres").stat().st_mode) == 0o700


def test_a_folder_that_everybody_may_write_to_is_refused(server: Maker, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    data_dir.chmod(0o1777)
    with pytest.raises(UnsafeDataDirError, match="chmod 700"):
        server(data_dir).start()
    assert list(data_dir.iterdir()) == []


def test_a_folder_that_other_users_could_replace_is_refused(server: Maker, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(UnsafeDataDirError, match="replace it"):
        server(shared / "deeper" / "data").start()
    assert list(shared.iterdir()) == []
    # Like /tmp: all users may write, but only the owner may change an entry.
    shared.chmod(0o1777)
    server(shared / "data").start()


def test_a_link_does_not_hide_a_folder_that_other_users_could_replace(
    server: Maker, tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "data").mkdir()
    (tmp_path / "shared").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "shared" / "data")
    with pytest.raises(UnsafeDataDirError, match="replace it"):
        server(tmp_path / "link").start()


@as_root
def test_a_folder_of_another_user_is_refused(server: Maker, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    os.chown(data_dir, pwd.getpwnam("nobody").pw_uid, 0)
    with pytest.raises(UnsafeDataDirError, match="belongs to nobody"):
        server(data_dir).start()


@as_root
def test_a_folder_that_a_strange_group_may_write_to_is_refused(
    server: Maker, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    os.chown(data_dir, 0, pwd.getpwnam("nobody").pw_gid)
    data_dir.chmod(0o770)
    with pytest.raises(UnsafeDataDirError, match="group"):
        server(data_dir).start()


def test_data_that_were_open_to_others_are_refused(server: Maker, tmp_path: Path) -> None:
    embedded = server(tmp_path / "data")
    embedded.start()
    embedded.stop()
    embedded.cluster.chmod(0o750)
    with pytest.raises(UnsafeDataDirError, match="chmod 700"):
        server(tmp_path / "data").start()


@as_root
def test_data_of_a_user_that_the_server_does_not_run_as_are_refused(
    server: Maker, tmp_path: Path
) -> None:
    embedded = server(tmp_path / "data")
    embedded.start()
    embedded.stop()
    os.chown(embedded.cluster, pwd.getpwnam("daemon").pw_uid, 0)
    with pytest.raises(UnsafeDataDirError, match="belongs to daemon"):
        server(tmp_path / "data").start()


def test_somebody_elses_files_are_never_removed(server: Maker, tmp_path: Path) -> None:
    strangers = tmp_path / "data" / "postgres" / "src" / "main.c"
    strangers.parent.mkdir(parents=True)
    strangers.write_text("int main;")
    with pytest.raises(EmbeddedPostgresError, match="not empty"):
        server(tmp_path / "data").start()
    assert strangers.read_text() == "int main;"


def test_a_folder_that_cannot_be_made_is_named(server: Maker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match="CALLGATE_DATA_DIR"):
        server(tmp_path / "file" / "data").start()


def test_a_lock_file_that_is_a_link_is_not_followed(server: Maker, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "owner.lock").symlink_to(precious)
    with pytest.raises(EmbeddedPostgresError):
        server(tmp_path / "data").start()
    assert precious.read_text() == "mine"
