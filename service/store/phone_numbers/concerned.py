"""The registered numbers that a condition counts: the same words of SQL count and list them."""

from collections.abc import Mapping
from typing import Literal, get_args

from service.store.calls.unanswered import LAST_UNANSWERED
from service.store.pool import Pool

NumberCondition = Literal[
    "numbers_fought",
    "numbers_moved",
    "numbers_silent",
    "numbers_unlisted",
    "calls_unanswered",
    "former_secrets_hidden",
    "still_bound",
    "web_unregistered",
]
"""A condition that counts numbers and no other filter of the list shows. `still_bound` and
`web_unregistered` are coverage holes, as `domain/coverage` finds them without asking Vapi."""

NUMBER_CONDITIONS: tuple[NumberCondition, ...] = get_args(NumberCondition)

JUDGED = (
    """FROM callgate.sweeps WHERE figures ->> 'unlisted' IS NOT NULL ORDER BY id DESC LIMIT 1"""
)

# Of `n`, a phone number that is not released, and `s`, the state of its webhook.
CONCERNED: Mapping[NumberCondition, str] = {
    "numbers_fought": "s.problem = 'fight'",
    "numbers_moved": """s.state = 'missing' AND s.successor_vapi_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM callgate.phone_numbers o WHERE o.vapi_phone_number_id = s.successor_vapi_id)""",
    # Without a call in a week while other numbers had calls.
    "numbers_silent": """s.state = 'in_sync' AND n.created_at < now() - interval '7 days'
        AND NOT EXISTS (SELECT FROM callgate.calls c WHERE c.phone_number_id = n.id)
        AND EXISTS (SELECT FROM callgate.calls WHERE created_at > now() - interval '7 days')""",
    # On no page of the last sweep that judged Vapi's list, if it did not believe it. Each subselect is
    # read once, not for each number.
    "numbers_unlisted": f"""s.state NOT IN ('missing', 'pending')
        AND s.seen_sweep < (SELECT CASE WHEN (figures ->> 'unlisted')::int > 0 THEN id END {JUDGED})
        AND n.created_at < (SELECT started_at {JUDGED})""",
    "calls_unanswered": f"n.id IN ({LAST_UNANSWERED})",
    "former_secrets_hidden": "coalesce((s.original ->> 'hidden_secret')::boolean, false)",
    "still_bound": "n.gate = 'request' AND s.state NOT IN ('in_sync', 'shadowed', 'missing')",
    "web_unregistered": """s.state <> 'missing' AND NOT coalesce(n.answer_with ? 'assistantId', false)
        AND NOT EXISTS (
            SELECT FROM callgate.assistants a WHERE a.organization_id = n.organization_id)""",
}


def is_concerned(parameter: str) -> str:
    """SQL: whether a number is one of those that the condition named by a parameter counts."""
    cases = " ".join(f"WHEN '{name}' THEN {test}" for name, test in CONCERNED.items())
    return f"CASE {parameter}::text {cases} END"


COUNTS: Mapping[NumberCondition, str] = {
    name: f"""
    SELECT count(*) FROM callgate.phone_numbers n
    JOIN callgate.webhook_states s ON s.phone_number_id = n.id
    WHERE n.released_at IS NULL AND {test}
    """  # noqa: S608 - constants
    for name, test in CONCERNED.items()
}


async def count_concerned(pool: Pool, name: NumberCondition) -> int:
    """How many numbers have the condition."""
    return int(await pool.fetchval(COUNTS[name]))
