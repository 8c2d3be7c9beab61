"""The file of the snapshot: whole, ours, of this database and this format, or it does not exist."""

import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from policies.entitlements import Override, PlanLimits, SubscriptionPlan, Trial
from service.domain.handling import BlockedMessage, Handling
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber
from service.domain.policies.choices import GeneralChoice, OwnChoice
from service.store.organizations import snapshot as module
from service.store.organizations.directory import DirectoryEntry
from service.store.organizations.past_changes import PastChange
from service.store.organizations.snapshot import (
    DirectorySnapshot,
    SnapshotError,
    SnapshotFile,
    name_database,
)

KEY, OTHER = "the-key-of-these-tests", "another-key-of-these-tests"
NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)


def make_entry() -> DirectoryEntry:
    """An organization with all that a decision may depend on."""
    owner = uuid4()
    organization = Organization(
        owner,
        "Bäckerei",
        attributes={"seats": [1, {"a": None}]},
        assistant_ids=("a-1",),
        handling=Handling(goodbye=True, when_access_ends="hang_up"),
        blocked_messages=(BlockedMessage("Nein {date}", language="de"),),
        plan=SubscriptionPlan("pro", "active", NOW, limits=PlanLimits(minutes=1.5)),
        trial=Trial(NOW, NOW),
        policies={"quota": OwnChoice("shadow", {"minutes": [1.5, {"a": None}]})},
        override=Override("deny", "fraud", "Ada", expires_at=NOW),
    )
    number = PhoneNumber(uuid4(), owner, "n-1", answer_with={"assistantId": "a-1"})
    changes = (
        PastChange(NOW, "trials", None, {"starts_at": "2026-01-01T00:00:00+00:00"}),
        PastChange(NOW, "phone_numbers", "n-1", None),
    )
    return DirectoryEntry(organization, (number,), changes)


@pytest.fixture
def file(tmp_path: Path) -> SnapshotFile:
    return SnapshotFile(tmp_path / "data" / "snapshot", [KEY], "here")


def test_it_comes_back_as_written(file: SnapshotFile) -> None:
    assert file.read() is None
    entries = tuple(make_entry() for _ in range(module.BATCH + 1))
    written = DirectorySnapshot(NOW, entries, {"quota": GeneralChoice("shadow", 0.5, 3)})
    file.write(written)
    assert file.read() == written
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert list(file.path.parent.iterdir()) == [file.path]
    assert replace(file, keys=[OTHER, KEY]).read() == written


def test_a_file_that_is_not_ours_is_refused(file: SnapshotFile) -> None:
    file.write(DirectorySnapshot(NOW, (make_entry(),)))
    whole = file.path.read_bytes()
    wrong = [
        whole[:-70],
        whole[: len(whole) // 2],
        b"",
        whole.replace(b'"deny"', b'"allow"'),
        whole.replace(b"2026", b"2027"),
    ]
    for data in wrong:
        file.path.write_bytes(data)
        with pytest.raises(SnapshotError, match="signature"):
            file.read()
    file.path.write_bytes(whole)
    with pytest.raises(SnapshotError, match="signature"):
        replace(file, keys=[OTHER]).read()
    with pytest.raises(SnapshotError, match="another database"):
        replace(file, database="there").read()


def test_another_format_is_refused(file: SnapshotFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write(DirectorySnapshot(NOW, ()))
    with monkeypatch.context() as patch:
        patch.setattr("service.store.organizations.snapshot.FORMAT", module.FORMAT + 1)
        with pytest.raises(SnapshotError, match="format"):
            file.read()


def test_a_database_has_one_name_whatever_the_password() -> None:
    first = name_database("postgresql://a:secret@db.example.net:5432/calls?sslmode=require")
    assert first == name_database("postgres://b@DB.example.net:5432/calls")
    assert first != name_database("postgresql://a:secret@db.example.net:5432/other")
    assert first != name_database("postgresql:///calls?host=/run/one")
    assert name_database("") == "embedded"
