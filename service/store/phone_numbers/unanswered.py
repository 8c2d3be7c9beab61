"""Numbers whose granted calls nothing answers, and the facts at Vapi that say so."""

from collections.abc import Sequence
from dataclasses import asdict

from service.domain.reconcile import AnswerFacts
from service.store.pool import Pool

# Of `n`, a phone number, and `s`, the state of its webhook. Unknown facts are no problem.
IS_UNANSWERED = """(s.state <> 'missing' AND (s.answer_missing IS NOT NULL
    OR coalesce(NOT s.attached, false) AND n.answer_with IS NULL AND NOT EXISTS (
        SELECT FROM callgate.organizations answering
        WHERE answering.id = n.organization_id AND answering.forward_url IS NOT NULL)))"""

UNANSWERED = f"CASE WHEN {IS_UNANSWERED} THEN coalesce(s.answer_missing, 'nothing') END"
"""What is missing, `nothing` if nothing was set, NULL where granted calls are answered."""

COUNT = f"""
SELECT count(*) FROM callgate.phone_numbers n
JOIN callgate.webhook_states s ON s.phone_number_id = n.id
WHERE n.released_at IS NULL AND {IS_UNANSWERED}
"""  # noqa: S608 - constants

# Rows are locked in the order of their ids, as in sweeps, to avoid deadlocks.
RECORD = """
WITH x AS (
    SELECT x.* FROM jsonb_to_recordset($1) AS x (
        phone_number_id uuid, attached boolean, missing text)
    JOIN callgate.webhook_states w USING (phone_number_id)
    ORDER BY x.phone_number_id FOR NO KEY UPDATE OF w)
UPDATE callgate.webhook_states s SET attached = x.attached, answer_missing = x.missing
FROM x WHERE s.phone_number_id = x.phone_number_id
    AND (s.attached, s.answer_missing) IS DISTINCT FROM (x.attached, x.missing)
"""


async def count_unanswered(pool: Pool) -> int:
    """How many numbers have granted calls that nothing answers."""
    return int(await pool.fetchval(COUNT))


async def record_answers(pool: Pool, facts: Sequence[AnswerFacts]) -> None:
    """Record what answers these numbers at Vapi."""
    rows = [{**asdict(one), "phone_number_id": str(one.phone_number_id)} for one in facts]
    await pool.execute(RECORD, rows)
