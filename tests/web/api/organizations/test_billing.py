"""What a billing system sends: the words of Stripe, late renewals, events out of order."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from service.admin.actor import Actor
from service.store.pool import Pool
from tests.support.api import ApiClient

FIRST, SECOND = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def instant(**parts: float) -> str:
    """An instant this far from now, as RFC 3339."""
    return (datetime.now(UTC) + timedelta(**parts)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("status", "allowed", "reason"),
    [
        ("active", True, "plan_in_grace"),
        ("trialing", True, "plan_in_grace"),
        ("past_due", False, "plan_past_due"),
        ("unpaid", False, "plan_unpaid"),
        ("canceled", False, "plan_ended"),
        ("paused", False, "plan_paused"),
        ("incomplete", False, "plan_incomplete"),
        ("incomplete_expired", False, "plan_incomplete"),
    ],
)
async def test_every_status_is_taken_and_a_late_renewal_blocks_no_payer(
    api: ApiClient, status: str, allowed: bool, reason: str
) -> None:
    made = await api.organization()
    body = {"code": "pro", "status": status, "current_period_end": instant(hours=-1)}
    reply = await api.ask("PUT", f"/organizations/{made['id']}/plan", body)
    assert reply.status == 200
    assert (reply.json["access"]["allowed"], reply.json["access"]["reason"]) == (allowed, reason)
    listed = await api.get(f"/organizations?plan_status={status}")
    assert [one["id"] for one in listed["items"]] == [made["id"]]


async def test_a_plan_that_cancels_ends_with_its_period(api: ApiClient) -> None:
    made = await api.organization()
    body = {
        "code": "pro",
        "status": "active",
        "current_period_end": instant(hours=-1),
        "cancel_at_period_end": True,
        "limits": {"minutes": 500, "cost": 12.5},
    }
    reply = await api.ask("PUT", f"/organizations/{made['id']}/plan", body)
    assert reply.json["access"] == {"allowed": False, "policy": "plan", "reason": "plan_ended"}
    assert reply.json["plan"]["cancel_at_period_end"] is True
    assert reply.json["plan"]["limits"] == {"minutes": 500, "cost": 12.5}
    [put, _] = await api.audit(made["id"])
    assert put["after"]["plan"]["limits"]["cost"] == 12.5


async def test_a_late_event_changes_nothing(api: ApiClient) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}/plan"
    new = {"code": "pro", "status": "active", "as_of": SECOND}
    assert (await api.ask("PUT", path, new)).json["plan"]["as_of"] == SECOND
    late = {"code": "pro", "status": "unpaid", "as_of": FIRST}
    reply = await api.ask("PUT", path, late)
    assert (reply.status, reply.code) == (409, "stale_change")
    assert (await api.ask("DELETE", f"{path}?as_of={FIRST}")).code == "stale_change"
    assert (await api.get(f"/organizations/{made['id']}"))["plan"]["status"] == "active"
    assert (await api.ask("PUT", path, new)).status == 200
    assert (await api.ask("DELETE", f"{path}?as_of={SECOND}")).json["plan"] is None
    assert (await api.ask("PUT", path, late)).code == "stale_change"


async def test_a_plan_of_the_future_says_how_to_take_it_back(api: ApiClient) -> None:
    """A wrong clock of a billing system must not refuse its events until that time."""
    made = await api.organization()
    path = f"/organizations/{made['id']}/plan"
    await api.ask("PUT", path, {"code": "pro", "status": "active", "as_of": SECOND})
    wrong = {"code": "pro", "status": "unpaid", "as_of": instant(days=900)}
    assert (await api.ask("PUT", path, wrong)).status == 200
    event = {"code": "pro", "status": "active", "as_of": instant()}
    refused = await api.ask("PUT", path, event)
    assert (refused.status, refused.code) == (409, "stale_change")
    assert "lies in the future: undo the change that set it" in refused.json["detail"]
    entry = (await api.audit(made["id"]))[0]["id"]
    await api.service.use_cases.undo.undo(Actor("ada", "admin", "web"), entry)
    assert (await api.ask("PUT", path, event)).json["plan"]["status"] == "active"


@pytest.mark.parametrize(
    ("pasted", "suggested"),
    [
        (1735689600, "2025-01-01T00:00:00Z"),
        ("1735689600", "2025-01-01T00:00:00Z"),
        (1735689600000, "2025-01-01T00:00:00Z"),
        (1735689600.5, "2025-01-01T00:00:00Z"),
        ("2027-01-01", "2030-01-31T12:00:00Z"),
        (12, "2030-01-31T12:00:00Z"),
        (True, "2030-01-31T12:00:00Z"),
        ("9" * 400, "2030-01-31T12:00:00Z"),
    ],
)
async def test_a_unix_time_as_stripe_has_it_is_answered_with_the_instant_to_send(
    api: ApiClient, pasted: object, suggested: str
) -> None:
    made = await api.organization()
    body = {"code": "pro", "status": "active", "current_period_end": pasted}
    reply = await api.ask("PUT", f"/organizations/{made['id']}/plan", body)
    assert reply.status == 422
    [fault] = reply.json["errors"]
    assert fault["field"] == "current_period_end"
    assert suggested in fault["message"]


async def test_of_concurrent_events_the_newest_stays(api: ApiClient) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}/plan"
    await asyncio.gather(
        *(
            api.ask(
                "PUT",
                path,
                {"code": f"c{day}", "status": "active", "as_of": f"2026-01-{day:02}T00:00:00Z"},
            )
            for day in (3, 9, 1, 7, 5, 8)
        )
    )
    assert (await api.get(f"/organizations/{made['id']}"))["plan"]["code"] == "c9"


async def test_a_change_by_hand_keeps_the_stored_as_of(api: ApiClient) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}/plan"
    await api.ask("PUT", path, {"code": "pro", "status": "active", "as_of": SECOND})
    reply = await api.ask("PUT", path, {"code": "max", "status": "active"})
    assert (reply.json["plan"]["code"], reply.json["plan"]["as_of"]) == ("max", SECOND)


async def test_an_undo_lets_no_late_event_bring_a_removed_plan_back(api: ApiClient) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}/plan"
    assert (await api.ask("DELETE", f"{path}?as_of={SECOND}")).status == 200
    assert (await api.ask("PUT", path, {"code": "max", "status": "active"})).status == 200
    entry = (await api.audit(made["id"]))[0]["id"]
    await api.service.use_cases.undo.undo(Actor("ada", "admin", "web"), entry)
    late = {"code": "pro", "status": "active", "as_of": FIRST}
    assert (await api.ask("PUT", path, late)).code == "stale_change"
    assert (await api.get(f"/organizations/{made['id']}"))["plan"] is None


async def test_a_trial_ends_now_and_keeps_its_beginning(api: ApiClient) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}/trial"
    begun = (await api.ask("PUT", path, {"ends_at": instant(days=9)})).json["trial"]["starts_at"]
    moved = (await api.ask("PUT", path, {"ends_at": instant(days=19)})).json
    assert moved["trial"]["starts_at"] == begun
    over = await api.ask("PUT", path, {"ends_at": instant(seconds=-1)})
    assert (over.status, over.json["access"]["reason"]) == (200, "trial_expired")


async def test_a_trial_set_with_an_end_in_the_past_is_over(api: ApiClient) -> None:
    made = await api.organization()
    reply = await api.ask("PUT", f"/organizations/{made['id']}/trial", {"ends_at": SECOND})
    assert (reply.status, reply.json["access"]["reason"]) == (200, "trial_expired")


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PUT", "/plan", {"code": "pro", "status": "active", "current_period_end": "{at}"}, None),
        ("PUT", "/plan", {"code": "pro", "status": "active", "as_of": "{at}"}, "as_of"),
        ("PUT", "/trial", {"ends_at": "{at}"}, "ends_at"),
        ("PUT", "/override", {"effect": "deny", "reason": "x", "expires_at": "{at}"}, "expires_at"),
        ("GET", "/access?at={at}", None, "at"),
    ],
)
async def test_instants_outside_1970_to_2999_are_refused_with_their_field(
    api: ApiClient, method: str, path: str, body: dict[str, str] | None, field: str | None
) -> None:
    made = await api.organization()
    for at in ("0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "3000-01-01T00:00:00Z"):
        sent = {name: text.format(at=at) for name, text in body.items()} if body else None
        place = f"/organizations/{made['id']}{path.format(at=at)}"
        reply = await api.ask(method, place, sent)
        assert reply.status == 422
        assert [fault["field"] for fault in reply.json["errors"]] == [field or "current_period_end"]
    assert await api.get(f"/organizations/{made['id']}") == made


async def test_infinite_instants_in_the_database_break_no_list(api: ApiClient, pool: Pool) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}"
    await api.ask("PUT", f"{path}/plan", {"code": "pro", "status": "active"})
    await api.ask("PUT", f"{path}/trial", {"ends_at": SECOND})
    for value in ("-infinity", "infinity", "0001-01-01", "9999-12-31"):
        await pool.execute(
            "UPDATE callgate.plans SET current_period_end = $1::text::timestamptz", value
        )
        await pool.execute(
            "UPDATE callgate.trials SET starts_at = '-infinity', ends_at = $1::text::timestamptz",
            value,
        )
        for sort in ("name", "plan_ends_at", "-plan_ends_at", "trial_ends_at"):
            [listed] = (await api.get(f"/organizations?sort={sort}"))["items"]
            assert listed["id"] == made["id"]
        assert (await api.get(f"{path}/access"))["trace"]
