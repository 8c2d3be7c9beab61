"""The facts that coverage depends on: numbers with equal facts are counted in one group."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.store.pool import Pool

GROUPS = """
SELECT n.gate, n.answer_with ? 'assistantId' AS answers, n.answer_with IS NOT NULL AS answered,
    s.state, s.level, o.forward_url IS NOT NULL AS forwards,
    o.handling->'ring_gate' AS ring_gate,
    EXISTS (SELECT FROM callgate.assistants a WHERE a.organization_id = o.id) AS registered,
    coalesce(s.attached, n.gate <> 'request') AS attached,
    count(*) AS numbers
FROM callgate.phone_numbers n
JOIN callgate.webhook_states s ON s.phone_number_id = n.id
JOIN callgate.organizations o ON o.id = n.organization_id
WHERE n.released_at IS NULL
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""


@dataclass(frozen=True, slots=True)
class Group:
    """Numbers with equal facts. `answers`: their `answer_with` names an assistant.

    `answered`: they have an `answer_with`. `registered`: the organization has registered assistants.
    `attached`: an assistant, squad or workflow is attached at Vapi, which then does not ask.
    """

    gate: str
    answers: bool
    answered: bool
    state: str
    level: str
    forwards: bool
    ring_gate: bool | None
    registered: bool
    attached: bool
    numbers: int


async def count_groups(pool: Pool) -> list[Group]:
    """Every registered number, in groups."""
    return [group_of(row) for row in await pool.fetch(GROUPS)]


def group_of(row: Mapping[str, Any]) -> Group:
    """A group from a row of `GROUPS`."""
    return Group(**{**dict(row), "answers": bool(row["answers"])})
