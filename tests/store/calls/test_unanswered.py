"""Which of Vapi's reasons mean that nothing answered a granted call, and the index of these calls."""

import re

from service.domain.calls import UNANSWERED_ENDS
from service.store.calls.unanswered import LAST_UNANSWERED
from service.store.pool import Pool
from tests.support.vapi_spec import SPEC

BEFORE_AN_ASSISTANT = re.compile(
    r'"((?:call[.-]start[.-]|assistant-(?:not|join|request)-)[a-zA-Z.-]+)"'
)
ANSWERED = {"assistant-request-returned-forwarding-phone-number"}


def test_every_reason_of_vapis_before_an_assistant_joins_means_unanswered() -> None:
    reasons = set(BEFORE_AN_ASSISTANT.findall(SPEC.read_text()))
    assert len(reasons) > 25
    assert {one for one in reasons if not re.match(UNANSWERED_ENDS, one)} == ANSWERED


async def test_unanswered_calls_are_read_by_their_index(pool: Pool) -> None:
    """The condition of the index has to be that of the statement, word by word."""
    async with pool.acquire() as connection:
        await connection.execute("SET enable_seqscan = off")
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {LAST_UNANSWERED}")
        indexes = await connection.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits "
            "WHERE inhparent = 'callgate.calls_unanswered_ends_idx'::regclass"
        )
    plan = "\n".join(row[0] for row in rows)
    assert indexes
    assert any(row["name"].rpartition(".")[2] in plan for row in indexes)
