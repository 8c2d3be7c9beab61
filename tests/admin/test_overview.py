"""The overview's figures against rows that are really there."""

from uuid import uuid4

from service.admin.conditions import ConditionWatch, StoredConditions
from service.admin.overview import Overview
from service.store.pool import Pool
from tests.support.calls import new_call, record

AGE = "UPDATE callgate.calls SET created_at = now() - make_interval(hours => $2) WHERE vapi_call_id = $1"


def overview_of(pool: Pool, key: str = "key") -> Overview:
    return Overview(pool, ConditionWatch(StoredConditions(pool, key)))


async def test_calls_and_blocks_are_counted_by_hour_day_and_reason(pool: Pool) -> None:
    overview = overview_of(pool)
    await record(
        pool, new_call("now"), *(new_call(c, organization_id=uuid4(), allowed=False) for c in "abc")
    )
    for call, hours in {"a": 2, "b": 2, "c": 30}.items():
        await pool.execute(AGE, call, hours)
    for _ in range(2):  # counted, then remembered
        figures = await overview.figures()
        assert len(figures.hours) == 24
        assert (figures.hours[-1].calls, figures.hours[-3].calls) == (1, 2)
        assert list(figures.blocked) == [("trial_expired", 2)]
        assert (figures.calls_today, figures.blocked_today, figures.live) == (3, 2, 1)
        assert len(figures.days) == 14
        assert sum(day.calls for day in figures.days) == 4
    await record(pool, new_call("later"))
    assert (await overview.figures()).hours[-1].calls == 2


async def test_a_past_hour_is_counted_again_once_a_call_of_it_is_corrected(pool: Pool) -> None:
    """As by a record that waited on another replica's disk while PostgreSQL was away."""
    overview = overview_of(pool)
    await record(pool, *(new_call(c, organization_id=uuid4(), allowed=False) for c in "abc"))
    for call, hours in {"a": 2, "b": 5, "c": 30}.items():
        await pool.execute(AGE, call, hours)
    assert (await overview.figures()).blocked_today == 2
    await pool.execute(
        "UPDATE callgate.calls SET blocked = false, updated_at = now() WHERE vapi_call_id = 'b'"
    )
    figures = await overview.figures()
    assert (figures.calls_today, figures.blocked_today) == (2, 1)


async def test_trials_that_end_this_week_are_named_soonest_first(pool: Pool) -> None:
    for name, days in {"soon": 1, "later": 6, "much later": 8, "over": -1}.items():
        await pool.execute(
            "WITH o AS (INSERT INTO callgate.organizations (name) VALUES ($1) RETURNING id) "
            "INSERT INTO callgate.trials (organization_id, starts_at, ends_at) "
            "SELECT id, now() - interval '9 days', now() + make_interval(days => $2) FROM o",
            name,
            days,
        )
    figures = await overview_of(pool).figures()
    assert figures.trials_ending == 2
    assert [trial.organization_name for trial in figures.trials] == ["soon", "later"]


async def test_conditions_are_listed_most_urgent_first(pool: Pool, app_pool: Pool) -> None:
    overview = overview_of(app_pool)
    assert (await overview.figures()).conditions == []
    await record(pool, new_call("a", vapi_phone_number_id="pn-stranger", gate="request"))
    await record(pool, new_call("b", organization_id=uuid4(), allowed=False))
    await pool.execute("UPDATE callgate.calls SET hangup_state = 'failed' WHERE vapi_call_id = 'b'")
    await pool.execute(
        "UPDATE callgate.reconciliation SET key_refused_at = now(), key_fingerprint = 'key'"
    )
    found = (await overview.figures()).conditions
    assert [one.kind for one in found] == ["key_refused", "hangups_failed", "unknown_numbers"]
    other = await overview_of(app_pool, "another key").figures()
    assert other.conditions[0].kind == "hangups_failed"
