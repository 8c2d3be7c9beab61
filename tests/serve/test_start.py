"""What a start does before the service is ready, and what it leaves for later."""

import gc
from pathlib import Path
from uuid import uuid4

import orjson
from structlog.testing import capture_logs

from service.serve.database import Database
from service.serve.degraded import prepare
from service.serve.process import calm_collector
from service.store.organizations.directory import numbers_of
from tests.support.settings import settings_for


async def test_a_start_with_its_database_does_not_read_the_snapshot(
    dsn: str, tmp_path: Path
) -> None:
    """That of 100,000 numbers takes a second. One that cannot be read would be logged."""
    (tmp_path / "directory.snapshot").mkdir()
    settings = settings_for(tmp_path, "http://127.0.0.1:9", database_url=dsn)
    with capture_logs() as logs:
        found = await prepare(settings, Database.of_settings(settings), "real")
    assert found == (None, None)
    assert [entry["event"] for entry in logs if entry["event"].startswith("snapshot")] == []


def test_numbers_of_the_directory_are_no_work_for_the_collector() -> None:
    owner = uuid4()
    row = [str(uuid4()), "vapi-id", "+15550100100", "Line", "request", None]
    one, two = numbers_of(owner, orjson.dumps([row, [*row[:5], {"assistantId": "a"}]]).decode())
    assert (one.organization_id, one.number, one.gate) == (owner, "+15550100100", "request")
    assert two.answer_with == {"assistantId": "a"}
    assert not gc.is_tracked(one)
    assert one.sync is two.sync
    assert one.conditions is two.conditions


def test_the_collector_works_once_the_start_is_over() -> None:
    threshold = gc.get_threshold()
    gc.disable()
    try:
        calm_collector()
        assert gc.isenabled()
        assert gc.get_freeze_count()
    finally:
        gc.set_threshold(*threshold)
