"""Access that changes by itself at a known time: the number is checked then, however slow Vapi is."""

from tests.support.lives import MESSAGE, Life

SCHEDULED = """
SELECT extract(epoch FROM s.next_attempt_at - t.starts_at)::float8
FROM callgate.webhook_states s, callgate.trials t WHERE s.phone_number_id = $1
"""


async def test_a_slow_pass_does_not_postpone_the_end_of_a_block(life: Life) -> None:
    await life.add(ring_gate=True)
    await life.configure()
    assert life.says() == [MESSAGE, "Welcome!"]
    await life.pool.execute(
        "INSERT INTO callgate.trials (organization_id, starts_at, ends_at) "
        "VALUES ($1, now() + interval '1 minute', now() + interval '1 day')",
        life.owner,
    )
    life.vapi.fail("GET /phone-number/*", latency=1.0, times=1)
    await life.configure()
    late = await life.pool.fetchval(SCHEDULED, life.id)
    assert 0.0 <= late < 0.8
