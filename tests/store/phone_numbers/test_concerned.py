"""The numbers that a condition counts: the words of its link, and the rule of the domain in SQL."""

from service.admin.phone_numbers.coverage import count_holes
from service.domain.conditions import CONDITIONS
from service.domain.coverage.holes import HOLES
from service.domain.phone_numbers import SyncState
from service.store.phone_numbers.concerned import NUMBER_CONDITIONS, count_concerned
from service.store.phone_numbers.search import PhoneNumberFilter, count
from service.store.pool import Pool

NUMBER = """
WITH added AS (INSERT INTO callgate.phone_numbers
        (organization_id, vapi_phone_number_id, gate, answer_with)
    VALUES ($1, $2, $3, $6) RETURNING id)
INSERT INTO callgate.webhook_states (phone_number_id, state, attached)
SELECT id, $4, $5 FROM added
"""

OWNERS = "INSERT INTO callgate.organizations (name) VALUES ('Bakery'), ('Cafe') RETURNING id"


def test_each_condition_links_to_its_numbers() -> None:
    for name in NUMBER_CONDITIONS:
        if name not in HOLES:
            assert CONDITIONS[name].link == f"numbers?condition={name}"


async def test_a_hole_lists_as_many_numbers_as_the_domain_finds(pool: Pool) -> None:
    owner, other = [row["id"] for row in await pool.fetch(OWNERS)]
    await pool.execute("INSERT INTO callgate.assistants VALUES ('asst', $1)", other)
    for state in SyncState:
        for gate in ("request", "event"):
            for attached in (True, False, None):
                vapi_id = f"{state.value}-{gate}-{attached}"
                await pool.execute(NUMBER, owner, vapi_id, gate, state.value, attached, None)
    answers: tuple[dict[str, str] | None, ...] = (None, {"squadId": "s"}, {"assistantId": "a"})
    for one in (owner, other):
        for answer in answers:
            vapi_id = f"{one}-{answer}"
            await pool.execute(NUMBER, one, vapi_id, "event", "in_sync", None, answer)
    found = {one.hole.kind: one.numbers for one in await count_holes(pool, False, 30.0)}
    assert await count_concerned(pool, "still_bound") == found["still_bound"] > 0
    assert await count_concerned(pool, "web_unregistered") == found["web_unregistered"] > 0


async def test_every_condition_counts_its_list(pool: Pool) -> None:
    for name in NUMBER_CONDITIONS:
        assert (await count(pool, PhoneNumberFilter(condition=name))).total == 0
        assert await count_concerned(pool, name) == 0
