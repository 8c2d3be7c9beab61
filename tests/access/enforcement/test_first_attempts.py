"""The steps of a first attempt are recorded as well as it goes, and hold up no command."""

from uuid import uuid4

import asyncpg
import pytest

from service.access.enforcement.first_attempts import BlockedCall, RememberedRecords
from service.domain.calls import HangupState
from service.store.calls.hangups import RoundResult
from tests.access.enforcement.test_hangup_ladder import OneRecord

CALL = BlockedCall("c", uuid4(), recorded=True)


class Failing(OneRecord):
    """PostgreSQL behind a pooler that fails, or a statement that has a bug."""

    def __init__(self, error: Exception) -> None:
        super().__init__(CALL.target())
        self.error = error

    async def record(self, vapi_call_id: str, result: RoundResult) -> bool:
        raise self.error

    async def record_goodbye(self, vapi_call_id: str, seconds: float) -> bool:
        raise self.error


async def test_an_error_of_a_pooler_without_a_class_stops_no_attempt() -> None:
    stored = Failing(asyncpg.PostgresError("server conn crashed?"))
    records = RememberedRecords(CALL.target(), stored, recorded=True)
    await records.record("c", RoundResult(HangupState.PENDING, 1))
    assert not await records.record_goodbye("c", 1.0), "the call is hung up silently instead"


async def test_a_bug_is_not_taken_for_an_outage() -> None:
    stored = Failing(asyncpg.UndefinedColumnError("no such column"))
    records = RememberedRecords(CALL.target(), stored, recorded=True)
    with pytest.raises(asyncpg.UndefinedColumnError):
        await records.record("c", RoundResult(HangupState.PENDING, 1))
