"""The chain in the panel."""

from tests.support.service import Replica
from tests.support.visiting import visiting


async def test_the_chain_is_shown_in_order_with_what_each_did(callgate: Replica) -> None:
    await callgate.add_organization("Acme")
    async with visiting(callgate, "viewer") as vic:
        shown = await vic.get("/policies")
    assert shown.status == 200
    names = [
        shown.body.index(f"<code>{name}</code>") for name in ("admin_override", "plan", "trial")
    ]
    assert names == sorted(names)
    assert shown.text.count(" OK ") >= 3
    assert shown.forms == []


async def test_figures_that_take_long_do_not_take_the_page_with_them(callgate: Replica) -> None:
    unknown = "The calls could not be counted in time."
    async with visiting(callgate, "viewer") as vic:
        async with callgate.service.pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE callgate.calls IN ACCESS EXCLUSIVE MODE")
            shown = await vic.get("/policies")
        assert shown.status == 200
        assert unknown in shown.text
        assert "<code>plan</code>" in shown.body
        assert "No policy: the default" not in shown.text
        again = await vic.get("/policies")
    assert unknown not in again.text
    assert "No policy: the default" in again.text


async def test_metrics_count_what_policies_answer(callgate: Replica) -> None:
    await callgate.add_organization("Acme")
    async with callgate.session.get(f"{callgate.url}/metrics") as response:
        text = await response.text()
    assert 'callgate_policy_answers_total{answer="abstain",policy="trial"}' in text
    assert 'callgate_policy_seconds{policy="plan",quantile="0.95"}' in text
    assert 'callgate_policy_suspended{policy="admin_override"} 0.0' in text
