"""The quota: hard and soft limits, and what is left."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policies import Effect, PlanLimits, SubscriptionPlan, UsageFacts, Verdict, abstain
from policies.quota import QuotaPolicy
from policies.testing import NOW, PolicyTestError, conformance, evaluate, request

END = NOW + timedelta(days=3)
USAGE = UsageFacts(2, 40, 5400.0, 12.5, NOW - timedelta(days=28), END, 310)


def answer(limits: dict[str, Any], usage: UsageFacts | None = USAGE, **facts: Any) -> Verdict:
    return evaluate(QuotaPolicy(), request(usage=usage, **facts), settings=limits)


def test_conforms() -> None:
    conformance(QuotaPolicy(), settings={"minutes": 100})


def test_below_a_limit_it_says_what_is_left() -> None:
    assert answer({"minutes": 100.5}) == abstain(
        note="90 of 100.5 minutes", max_duration_seconds=630.0, warning="90 of 100.5 minutes"
    )
    assert answer({"minutes": 1000}) == abstain(note="90 of 1000 minutes")


@pytest.mark.parametrize(
    ("limits", "reason", "until"),
    [
        ({"minutes": 90}, "quota_minutes", END),
        ({"calls": 310}, "quota_calls", END),
        ({"calls_per_day": 40}, "quota_calls", datetime(2026, 1, 16, tzinfo=UTC)),
        ({"cost": 12.5}, "quota_cost", END),
        ({"cost": 0}, "quota_cost", END),
        ({"minutes": 500, "cost": 3}, "quota_cost", END),
    ],
)
def test_a_limit_that_is_used_up_denies(limits: dict[str, Any], reason: str, until: object) -> None:
    verdict = answer({**limits, "divert_to": {"assistantId": "desk"}, "message": "Later, please."})
    assert (verdict.effect, verdict.reason, verdict.until) == (Effect.DENY, reason, until)
    assert verdict.divert_to == {"assistantId": "desk"}
    assert verdict.message == "Later, please."


@pytest.mark.parametrize(
    ("at", "zone", "until"),
    [
        ("2026-01-15T12:00", None, "2026-01-16T00:00"),
        ("2026-01-15T23:30", "Europe/Berlin", "2026-01-16T23:00"),
        ("2026-03-28T23:30", "Europe/Berlin", "2026-03-29T22:00"),  # a day of 23 hours
        ("2026-10-24T22:30", "Europe/Berlin", "2026-10-25T23:00"),  # a day of 25 hours
        ("2026-04-23T12:00", "Africa/Cairo", "2026-04-23T22:00"),  # midnight is skipped
        ("2026-01-15T12:00", "Mars/Olympus", "2026-01-16T00:00"),
    ],
)
def test_the_calls_of_a_day_begin_anew_at_the_local_midnight(
    at: str, zone: str | None, until: str
) -> None:
    asked = request(usage=USAGE, at=datetime.fromisoformat(at).replace(tzinfo=UTC))
    asked = replace(asked, organization=replace(asked.organization, time_zone=zone))
    verdict = evaluate(QuotaPolicy(), asked, settings={"calls_per_day": 40})
    assert verdict.until == datetime.fromisoformat(until).replace(tzinfo=UTC)


def test_a_soft_limit_only_warns() -> None:
    verdict = answer({"minutes": 60, "hard": False})
    assert verdict == abstain(note="90 of 60 minutes", warning="90 of 60 minutes")


def test_a_warning_comes_from_the_chosen_share_on() -> None:
    assert answer({"calls": 400}).warning is None
    assert answer({"calls": 400, "warn_at": 0.7}).warning == "310 of 400 calls"


def test_the_limits_of_the_plan_count_where_they_are_chosen() -> None:
    plan = SubscriptionPlan("pro", "active", limits=PlanLimits(minutes=90, cost=100))
    assert answer({"plan_limits": True}, plan=plan).reason == "quota_minutes"
    assert answer({"plan_limits": True, "minutes": 1000}, plan=plan).effect is Effect.ABSTAIN
    assert answer({"calls": 1000}, plan=plan).effect is Effect.ABSTAIN
    assert answer({"plan_limits": True}).effect is Effect.ABSTAIN


def test_unknown_usage_denies_no_call() -> None:
    assert answer({"minutes": 0}, None) == abstain(note="the usage is unknown")


def test_one_minute_more_ends_the_calls() -> None:
    used = replace(USAGE, seconds=5999.9)
    assert answer({"minutes": 100}, used).effect is Effect.ABSTAIN
    assert answer({"minutes": 100}, replace(used, seconds=6000.0)).effect is Effect.DENY


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "not_configured|give"),
        ({"minutes": -1}, "minutes"),
        ({"minutes": float("inf")}, "minutes"),
        ({"calls": 1.5}, "calls"),
        ({"minutes": 5, "warn_at": 0}, "warn_at"),
        ({"minuts": 5}, "minuts"),
    ],
)
def test_settings_that_do_not_fit_are_named(limits: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyTestError, match=words):
        answer(limits)
