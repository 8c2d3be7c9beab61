"""Recorded calls decided again: by the same chain nothing differs, by a changed one what it changes."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from policies import AccessRequest, AppliesTo, Verdict, abstain, allow, deny
from policies.host.registration import RegisteredPolicy, fit_policy
from service.access.policies.plugins import PolicyChoice, load_policies
from service.access.replay.replay import Replay
from service.access.replay.replayer import Replayer
from service.domain.policies.choices import GeneralChoice
from service.domain.policies.replays import ComparedDecision, Obstacle, ReplaySums
from service.sandbox.server import SandboxVapi
from service.store.policies.recorded_decisions import DecidedSpan
from service.store.pool import Pool
from tests.support.chains import put_policy
from tests.support.service import Replica

PLAN = {"code": "pro", "status": "active"}
TRIAL = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"}
DAY = timedelta(days=1)
OWN = load_policies(PolicyChoice(third_party=False)).policies


class Seats:
    """Denies organizations with more seats than three; it computes."""

    name = "seats"
    order = 50
    pure = True
    most = 3

    def evaluate(self, asked: AccessRequest) -> Verdict:
        seats = asked.organization.attributes.get("seats", 0)
        return deny("too_many_seats") if int(str(seats)) > self.most else abstain()


class Remembering:
    """Denies every third call that it is asked about: only its record tells what it answered."""

    name = "remembering"
    order = 40
    asked = 0

    def evaluate(self, _asked: AccessRequest) -> Verdict:
        self.asked += 1
        return deny("every_third") if self.asked % 3 == 0 else abstain("counted")


class Quota:
    """Reads the usage, which no call's record has."""

    name = "live"
    order = 45
    pure = True

    def evaluate(self, asked: AccessRequest) -> Verdict:
        return deny("busy") if asked.usage is not None and asked.usage.live_calls > 1 else abstain()


def fitted(policy: object) -> RegisteredPolicy:
    return fit_policy(policy, "tests", "1")


async def replay(
    pool: Pool, policies: Sequence[object], *, most: int = 100_000, **given: Any
) -> ReplaySums:
    """The sums of a replay of all calls by the built-in policies and these."""
    chain = [*OWN, *map(fitted, policies)]
    options = {"choices": {}, "renewal_grace": timedelta(hours=72), **given}
    replayer = Replayer(chain, **options)
    now = datetime.now(UTC)
    sums = ReplaySums()
    span = DecidedSpan(now - DAY, now + DAY)
    async for _ in Replay(pool, replayer, span, most=most).run(sums):
        pass
    return sums


async def add(callgate: Replica, vapi: SandboxVapi) -> tuple[str, str]:
    """An organization and the id of its number at Vapi."""
    organization_id = await callgate.add_organization()
    number_id = str(vapi.add_number(provider="vapi")["id"])
    await callgate.add_number(organization_id, number_id, answer_with={"assistantId": "a-1"})
    return organization_id, number_id


async def ask(callgate: Replica, vapi: SandboxVapi, number_id: str, kind: str) -> None:
    """A new call's first message."""
    answer = await callgate.post(vapi.live_call(number_id, kind=kind))
    assert answer.status in (200, 403)


async def let_an_hour_pass(pool: Pool) -> None:
    """All that was recorded lies an hour further back."""
    await pool.execute("UPDATE callgate.entitlement_history SET at = at - interval '1 hour'")
    await pool.execute(
        "UPDATE callgate.calls SET decision = jsonb_set(decision, '{decided_at}', to_jsonb("
        "(decision ->> 'decided_at')::timestamptz - interval '1 hour'))"
    )


CHANGES = (
    ("PUT", "plan", PLAN),
    ("PUT", "plan", {**PLAN, "status": "past_due"}),
    ("DELETE", "plan", None),
    ("PUT", "trial", TRIAL),
    ("DELETE", "trial", None),
    ("PUT", "override", {"effect": "deny", "reason": "fraud"}),
    ("PUT", "override", {"effect": "allow", "reason": "kind"}),
    ("DELETE", "override", None),
    ("PATCH", "", {"attributes": {"seats": 9}}),
    ("PATCH", "", {"attributes": {}, "name": "Renamed"}),
)


@pytest.mark.parametrize(
    ("seed", "hours"), [(1, "apart"), (2, "apart"), (3, "at once"), (4, "at once")]
)
async def test_the_same_chain_decides_random_histories_alike(
    seed: int, hours: str, callgate: Replica, vapi: SandboxVapi, pool: Pool
) -> None:
    policies = [Seats(), Remembering()]
    for one in policies:
        put_policy(callgate.service.access.policies.chain, one)
    chance = random.Random(seed)
    places = [await add(callgate, vapi) for _ in range(3)]
    calls = 0
    for _ in range(60):
        if hours == "apart":
            await let_an_hour_pass(pool)
        organization_id, number_id = chance.choice(places)
        if chance.random() < 0.5:
            calls += 1
            await ask(
                callgate, vapi, number_id, chance.choice(("assistant-request", "status-update"))
            )
            continue
        method, part, body = chance.choice(CHANGES)
        path = f"/organizations/{organization_id}/{part}".rstrip("/")
        assert (await callgate.api(method, path, body)).status in (200, 204)
    sums = await replay(pool, policies)
    assert sums.different == 0, sums.differences
    assert sums.calls == calls
    if hours == "apart":
        # On a busy machine a replica may decide by the last known state, or without a late policy.
        moments = {"failed_then", "stale_facts_then"}
        assert {obstacle.kind for obstacle in sums.obstacles} <= moments, sums.obstacles


async def test_a_changed_chain_shows_what_it_changes_with_the_facts_of_then(
    callgate: Replica, vapi: SandboxVapi, pool: Pool
) -> None:
    """The plan ended and the seats were sold meanwhile: the calls are judged as they began."""
    organization_id, number_id = await add(callgate, vapi)
    path = f"/organizations/{organization_id}"
    await callgate.api("PUT", f"{path}/plan", PLAN)
    await callgate.api("PATCH", path, {"attributes": {"seats": 9}})
    await let_an_hour_pass(pool)
    for _ in range(3):
        await ask(callgate, vapi, number_id, "assistant-request")
    await let_an_hour_pass(pool)
    await callgate.api("PATCH", path, {"attributes": {}})
    await let_an_hour_pass(pool)
    await ask(callgate, vapi, number_id, "assistant-request")
    await let_an_hour_pass(pool)
    await callgate.api("DELETE", f"{path}/plan")
    sums = await replay(pool, [Seats()])
    granted, refused = (
        ComparedDecision("allow", "plan_active", "plan"),
        ComparedDecision("deny", "too_many_seats", "seats"),
    )
    ((kind, count),) = sums.list_differences()
    assert (kind.organization_id, kind.before, kind.after) == (
        UUID(organization_id),
        granted,
        refused,
    )
    assert (count.calls, sums.same, sums.changes["allow", "deny"]) == (3, 1, 3)
    off = {"plan": GeneralChoice("off")}
    sums = await replay(pool, [], choices=off)
    assert sums.different == 4
    assert {kind.after.reason for kind in sums.differences} == {"no_plan_or_trial"}
    sums = await replay(pool, [], choices=off, most=2)
    assert (sums.calls, sums.is_cut) == (2, True)


async def test_what_is_not_stored_is_counted_and_not_guessed(
    callgate: Replica, vapi: SandboxVapi, pool: Pool
) -> None:
    organization_id, number_id = await add(callgate, vapi)
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    await ask(callgate, vapi, number_id, "assistant-request")
    await ask(callgate, vapi, number_id, "status-update")
    await ask(callgate, vapi, str(vapi.add_number(provider="vapi")["id"]), "assistant-request")
    await let_an_hour_pass(pool)

    sums = await replay(pool, [Quota()])
    assert sums.obstacles == {Obstacle("facts_not_stored", "live", "usage"): 2}
    assert sums.undecided == 1
    sums = await replay(pool, [Remembering()])
    assert sums.obstacles == {Obstacle("answer_not_stored", "remembering"): 2}
    sums = await replay(pool, [Remembering()], asked=["remembering"])
    assert sums.same == 2

    events = Seats()
    events.most = -1
    events.applies_to = AppliesTo(messages=frozenset({"status-update"}))  # type: ignore[attr-defined]
    sums = await replay(pool, [events])
    assert sums.obstacles == {Obstacle("facts_not_stored", "seats", "call.message"): 1}
    assert (sums.same, sums.different) == (1, 0)

    await pool.execute("UPDATE callgate.entitlement_history SET undoes = false")
    assert (await replay(pool, [])).obstacles == {}
    await pool.execute("UPDATE callgate.entitlement_history SET at = at + interval '1 hour'")
    assert (await replay(pool, [])).obstacles == {Obstacle("history_deleted"): 2}


async def test_a_failure_of_the_moment_is_no_difference(
    callgate: Replica, vapi: SandboxVapi, pool: Pool
) -> None:
    organization_id, number_id = await add(callgate, vapi)
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    await ask(callgate, vapi, number_id, "assistant-request")
    failed = (
        "UPDATE callgate.calls SET decision = jsonb_set(decision, '{trace}', decision -> 'trace' || "
        "jsonb_build_array(jsonb_build_object('policy', 'opened', 'effect', 'failed', 'reason', "
        "$1::text, 'counted_as', 'abstain')))"
    )
    opened = RegisteredPolicy("opened", 50, lambda _: allow("open"), "tests", "1", pure=True)
    chain = [*OWN, opened]

    async def judge(reason: str) -> ReplaySums:
        await pool.execute(failed, reason)
        sums = ReplaySums()
        now = datetime.now(UTC)
        replayer = Replayer(chain, choices={}, renewal_grace=DAY)
        async for _ in Replay(pool, replayer, DecidedSpan(now - DAY, now + DAY)).run(sums):
            pass
        return sums

    assert (await judge("raised:KeyError")).different == 1
    assert (await judge("late")).obstacles == {Obstacle("failed_then", "opened", "late"): 1}
