"""When a call began, by what its messages say."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from service.access.beginnings import earliest_of, find_beginning
from service.vapi.messages import ServerMessage

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def ago(**given: float) -> datetime:
    return NOW - timedelta(**given)


def id_of_version_7(at: datetime) -> str:
    milliseconds = round(at.timestamp() * 1000)
    return str(UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | 1))


def message(kind: str = "transcript", **given: Any) -> ServerMessage:
    return ServerMessage(kind, **{"has_call": True, "call_id": str(UUID(int=4)), **given})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"created_at": ago(minutes=5)}, ago(minutes=5)),
        ({"created_at": ago(minutes=5), "started_at": ago(minutes=4.5)}, ago(minutes=5)),
        ({"started_at": ago(minutes=4)}, ago(minutes=4)),
        ({"call_id": id_of_version_7(ago(minutes=3))}, ago(minutes=3)),
        ({"call_id": "ffffffff-ffff-7fff-8fff-ffffffffffff"}, None),
        # A call that was scheduled or queued begins when it starts.
        ({"created_at": ago(hours=5), "started_at": ago(minutes=4)}, ago(minutes=4)),
        # Never later than now, and nothing older than the history.
        ({"created_at": ago(seconds=-2)}, NOW),
        ({"created_at": ago(hours=-1)}, None),
        ({"created_at": ago(days=400)}, None),
        ({"created_at": ago(days=400), "started_at": ago(minutes=1)}, ago(minutes=1)),
    ],
)
def test_the_earliest_plausible_instant_counts(
    given: dict[str, Any], expected: datetime | None
) -> None:
    assert find_beginning(message(**given), NOW) == expected


def test_a_call_that_rings_long_after_its_creation_begins_now() -> None:
    rings = message("status-update", status="ringing", created_at=ago(minutes=30))
    assert find_beginning(rings, NOW) is None
    assert find_beginning(message(created_at=ago(minutes=30)), NOW) == ago(minutes=30)


def test_a_recorded_call_of_vapi_begins_like_one_of_a_message() -> None:
    assert earliest_of(ago(minutes=2), None, NOW) == ago(minutes=2)
    assert earliest_of(None, None, NOW) is None
