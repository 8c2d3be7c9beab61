"""Records beside answers: on the disk first, together, and none is left behind."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.access.answered_calls import AnsweredCalls, FirstRecord
from service.access.known_calls import KnownCalls, known_from
from service.access.usage.memory import UsageMemory
from service.domain.calls import NewCall
from service.store.calls.call_store import CallStore
from service.store.calls.spool import Spool
from service.store.calls.writer import CallWriter, Recorded
from service.store.pool import Pool
from tests.support.calls import new_call


class Ended(list[tuple[str, bool]]):
    """The calls whose record ended, and whether PostgreSQL has them."""

    async def finish(self, call: NewCall, recorded: Recorded | None) -> FirstRecord:
        if call.vapi_call_id == "odd":
            raise ValueError
        self.append((call.vapi_call_id, recorded is not None))
        return known_from(call), True


class FailingWriter(CallWriter):
    """Fails in an unexpected way."""

    async def record_all(self, calls: Sequence[NewCall], seconds: float) -> list[Recorded | None]:
        raise RuntimeError(len(calls), seconds)


def answered_calls_of(
    pool: Pool, folder: Path, ended: Ended, kind: type[CallWriter]
) -> AnsweredCalls:
    store = CallStore(pool)
    spool = Spool(folder, store)
    return AnsweredCalls(kind(store), spool, KnownCalls(), UsageMemory(), ended.finish)


def notes_of(answered: AnsweredCalls) -> int:
    return sum(page.open for page in answered.spool.notes.pages.values())


async def test_the_first_waits_and_those_beside_it_share_a_transaction(
    pool: Pool, tmp_path: Path
) -> None:
    ended = Ended()
    answered = answered_calls_of(pool, tmp_path, ended, CallWriter)
    alone = asyncio.create_task(answered.record(new_call("alone")))
    await asyncio.sleep(0)
    assert not alone.done()
    assert not answered.answers_wait
    for number in range(10):
        await answered.record(new_call(f"beside-{number}"))
    assert notes_of(answered) == 11
    await alone
    assert ended[0] == ("alone", True)
    await answered.wait_for(("beside-9", None))
    assert len(ended) == 11
    assert notes_of(answered) == 0
    assert await pool.fetchval("SELECT count(*) FROM callgate.calls") == 11
    assert await pool.fetchval("SELECT count(DISTINCT created_at) FROM callgate.calls") <= 2


async def test_answers_wait_while_too_many_records_are_on_their_way(
    pool: Pool, tmp_path: Path
) -> None:
    ended = Ended()
    answered = answered_calls_of(pool, tmp_path, ended, CallWriter)
    answered.most = 3
    for number in range(3):
        answered.note(new_call(f"beside-{number}"))
    await answered.record(new_call("late"))
    assert ("late", True) in ended


@pytest.mark.parametrize("kind", [CallWriter, FailingWriter])
async def test_what_goes_wrong_strands_no_call(
    pool: Pool, tmp_path: Path, kind: type[CallWriter]
) -> None:
    ended = Ended()
    answered = answered_calls_of(pool, tmp_path, ended, kind)
    for call_id in ("odd", "sound"):
        answered.note(new_call(call_id))
    await answered.wait_for(("sound", None))
    await answered.wait_for(("odd", None))
    assert ended == [("sound", kind is CallWriter)]
    assert notes_of(answered) == 1  # that of the odd one, for the next process
    assert not answered.recording
    await answered.record(new_call("next"))
    assert ended[-1] == ("next", kind is CallWriter)
