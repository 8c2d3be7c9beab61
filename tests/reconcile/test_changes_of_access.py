"""Access that changes by itself at a known time: the number is checked then, however slow Vapi is."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.lives import MESSAGE, Life

SCHEDULED = """
SELECT extract(epoch FROM s.next_attempt_at - t.starts_at)::float8
FROM callgate.webhook_states s, callgate.trials t WHERE s.phone_number_id = $1
"""


FAULTS: Mapping[str, Mapping[str, Any]] = {
    "slow": {"latency": 1.0, "times": 1},
    "rejected": {"status": 400},
    "refused": {"status": 401},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_pass_that_is_slow_or_fails_postpones_no_end_of_a_block(
    life: Life, fault: str
) -> None:
    await life.add(ring_gate=True)
    await life.configure()
    assert life.says() == [MESSAGE, "Welcome!"]
    await life.pool.execute(
        "INSERT INTO callgate.trials (organization_id, starts_at, ends_at) "
        "VALUES ($1, now() + interval '1 minute', now() + interval '1 day')",
        life.owner,
    )
    life.vapi.fail("GET /phone-number/*", **FAULTS[fault])
    await life.configure()
    late = await life.pool.fetchval(SCHEDULED, life.id)
    assert 0.0 <= late < 0.8
