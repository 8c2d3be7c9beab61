"""Notes: kept for the next process as long as they are needed, and no longer."""

import asyncio
from pathlib import Path

from service.store.calls import spool_notes as notes_module
from service.store.calls.call_store import CallStore
from service.store.calls.spool import Entry, Spool
from service.store.calls.spool_notes import Notes
from service.store.pool import Pool
from tests.store.calls.test_spool import blocked_call, drained, stored

LINE = b'{"call": null}\n'


def content(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("*")))


def test_a_note_is_there_until_it_is_settled(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "spool")
    first, second = notes.add(LINE), notes.add(LINE)
    assert first is not None
    assert second is not None
    assert content(notes.folder) == LINE * 2
    notes.remove(first)
    assert content(notes.folder) == LINE * 2
    notes.remove(second)
    assert content(notes.folder) == b""
    assert next(notes.folder.iterdir()).stat().st_mode & 0o077 == 0
    notes.close()
    assert list(notes.folder.iterdir()) == []


def test_under_load_without_an_idle_moment_the_files_stay_few(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "spool")
    line = b"x" * (notes_module.PAGE_BYTES // 10) + b"\n"
    under_way = [notes.add(line)]
    for _ in range(100):
        under_way.append(notes.add(line))
        page = under_way.pop(0)
        assert page is not None
        notes.remove(page)
        assert len(list(notes.folder.iterdir())) <= 2
    notes.close()
    assert content(notes.folder).endswith(line)


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    assert Notes(tmp_path / "spool").add(LINE) is None


async def test_the_notes_of_a_process_that_is_gone_are_recorded(tmp_path: Path, pool: Pool) -> None:
    gone = Spool(tmp_path / "spool", CallStore(pool))
    page = gone.note(Entry(call=blocked_call("taken")))
    assert page is not None
    gone.notes.remove(page)
    gone.note(Entry(call=blocked_call("a")))
    gone.close()
    await drained(Spool(tmp_path / "spool", CallStore(pool)), pool, 1)
    assert await stored(pool) == {"a": "failed"}


async def test_notes_that_are_still_needed_are_not_taken_over(tmp_path: Path, pool: Pool) -> None:
    folder = tmp_path / "spool"
    alive, other = Spool(folder, CallStore(pool)), Spool(folder, CallStore(pool))
    alive.note(Entry(call=blocked_call("a")))
    running = [asyncio.create_task(spool.background().run()) for spool in (alive, other)]
    await asyncio.sleep(0.3)
    assert await stored(pool) == {}
    assert b'"a"' in content(folder)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
