"""Plans, trials and overrides over the API, and what access they give."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.support.api import ApiClient


def ahead(**parts: float) -> str:
    """An instant from now, as RFC 3339."""
    return (datetime.now(UTC) + timedelta(**parts)).isoformat().replace("+00:00", "Z")


async def test_access_is_explained_at_any_instant_without_side_effects(api: ApiClient) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}"
    ends = datetime.now(UTC) + timedelta(days=3)
    await api.ask("PUT", f"{path}/trial", {"ends_at": ends.isoformat()})
    changes = len(await api.audit(made["id"]))
    now = await api.get(f"{path}/access")
    assert (now["effect"], now["determined_by"], now["reason"]) == (
        "allow",
        "trial",
        "trial_active",
    )
    assert now["allowed"] is True
    asked = [one["policy"] for one in now["trace"] if one["reason"] != "not_configured"]
    assert asked == ["admin_override", "plan", "trial"]
    later = await api.get(f"{path}/access?at={quote((ends + timedelta(days=1)).isoformat())}")
    assert (later["allowed"], later["reason"]) == (False, "trial_expired")
    assert len(await api.audit(made["id"])) == changes
    assert (await api.get("/calls"))["items"] == []


async def test_access_can_be_asked_for_a_number_of_the_organization_only(api: ApiClient) -> None:
    made = await api.organization()
    reply = await api.ask("GET", f"/organizations/{made['id']}/access?phone_number_id={uuid4()}")
    assert reply.code == "phone_number_not_found"


async def test_entitlements_are_set_replaced_and_removed(api: ApiClient) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}"
    plan = {
        "code": "pro",
        "status": "canceled",
        "current_period_end": "2031-01-01T00:00:00Z",
        "grace_period_end": "2031-02-01T00:00:00.250000Z",
    }
    reply = await api.ask("PUT", f"{path}/plan", plan)
    assert reply.status == 200
    more = {"cancel_at_period_end": False, "limits": None, "as_of": None}
    assert reply.json["plan"] == plan | more
    assert reply.json["access"] == {"allowed": True, "policy": "plan", "reason": "plan_paid_until"}
    assert reply.json["updated_at"] > made["updated_at"]
    reply = await api.ask("PUT", f"{path}/plan", {"code": "pro", "status": "past_due"})
    assert reply.json["plan"]["current_period_end"] is None
    assert reply.json["access"]["reason"] == "plan_past_due"
    trial = {"starts_at": "2026-01-01T01:00:00+01:00", "ends_at": "2026-02-01T00:00:00Z"}
    reply = await api.ask("PUT", f"{path}/trial", trial)
    assert reply.json["trial"] == {
        "starts_at": "2026-01-01T00:00:00Z",
        "ends_at": "2026-02-01T00:00:00Z",
    }
    override = {"effect": "deny", "reason": "fraud", "starts_at": None, "expires_at": None}
    reply = await api.ask("PUT", f"{path}/override", override)
    assert reply.json["override"] == {**override, "author": "admin-token"}
    assert reply.json["access"]["reason"] == "override_deny"
    for kind in ("override", "plan", "trial"):
        for _ in range(2):
            reply = await api.ask("DELETE", f"{path}/{kind}")
            assert reply.status == 200
            assert reply.json[kind] is None
    assert reply.json["access"]["reason"] == "no_plan_or_trial"


async def test_a_trial_begins_now_by_the_databases_clock(api: ApiClient) -> None:
    made = await api.organization()
    reply = await api.ask("PUT", f"/organizations/{made['id']}/trial", {"ends_at": ahead(days=1)})
    assert reply.json["trial"]["starts_at"] == reply.json["updated_at"]
    assert reply.json["access"]["reason"] == "trial_active"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("trial", {"starts_at": "2031-01-01T00:00:01Z", "ends_at": "2031-01-01T00:00:00Z"}),
        (
            "override",
            {
                "effect": "allow",
                "reason": "x",
                "starts_at": "2031-01-02T00:00:00Z",
                "expires_at": "2031-01-01T00:00:00Z",
            },
        ),
    ],
)
async def test_what_ends_before_it_begins_is_refused(
    api: ApiClient, kind: str, body: dict[str, str]
) -> None:
    made = await api.organization()
    reply = await api.ask("PUT", f"/organizations/{made['id']}/{kind}", body)
    assert (reply.status, reply.code) == (422, "bad_period")
    assert await api.get(f"/organizations/{made['id']}") == made


async def test_what_has_ended_may_still_be_recorded(api: ApiClient) -> None:
    made = await api.organization()
    body = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2020-02-01T00:00:00Z"}
    reply = await api.ask("PUT", f"/organizations/{made['id']}/trial", body)
    assert (reply.status, reply.json["access"]["reason"]) == (200, "trial_expired")


async def test_instants_come_back_as_they_were_sent(api: ApiClient) -> None:
    made = await api.organization()
    for sent, kept in [
        ("2999-12-31T23:59:59.999999Z", "2999-12-31T23:59:59.999999Z"),
        ("2031-01-01t02:30:00.123456789+02:30", "2031-01-01T00:00:00.123456Z"),
        ("2031-01-01T00:00:00-00:00", "2031-01-01T00:00:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    ]:
        body = {"code": "x", "status": "active", "current_period_end": sent}
        reply = await api.ask("PUT", f"/organizations/{made['id']}/plan", body)
        assert reply.json["plan"]["current_period_end"] == kept


async def test_entitlements_of_nobody_are_not_found(api: ApiClient) -> None:
    path = f"/organizations/{uuid4()}"
    for method, kind, body in [
        ("PUT", "plan", {"code": "pro", "status": "active"}),
        ("PUT", "trial", {"ends_at": ahead(days=1)}),
        ("PUT", "override", {"effect": "allow", "reason": "x"}),
        ("DELETE", "plan", None),
        ("DELETE", "trial", None),
        ("DELETE", "override", None),
        ("GET", "access", None),
    ]:
        reply = await api.ask(method, f"{path}/{kind}", body)
        assert (reply.status, reply.code) == (404, "organization_not_found")


async def test_the_list_is_filtered_by_what_entitles_and_sorted(api: ApiClient) -> None:
    ids = {name: (await api.organization(name))["id"] for name in ("A", "B", "C")}
    for name, days in (("A", 3), ("B", 2)):
        body = {"ends_at": ahead(days=days)}
        assert (await api.ask("PUT", f"/organizations/{ids[name]}/trial", body)).status == 200
    plan = {"code": "pro", "status": "paused", "current_period_end": ahead(days=1)}
    assert (await api.ask("PUT", f"/organizations/{ids['C']}/plan", plan)).status == 200

    async def names(query: str) -> list[str]:
        found, cursor = [], ""
        while True:
            page = await api.get(f"/organizations?limit=1&{query}{cursor}")
            found += [item["name"] for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={quote(page['next_cursor'])}"

    assert await names("sort=trial_ends_at") == ["B", "A", "C"]
    assert await names("sort=-created_at") == ["C", "B", "A"]
    assert await names("trial=ending&sort=-name") == ["B", "A"]
    assert await names("reason=plan_paused") == await names("plan_status=paused") == ["C"]
    assert await names("override=true") == await names("numbers=true") == []
    assert await names(f"query={ids['B']}") == ["B"]


@pytest.mark.parametrize(
    "query", ["sort=size", "trial=soon", "plan_status=gold", "override=1", "sort=-name&sort=name"]
)
async def test_what_cannot_be_sorted_or_filtered_by_is_refused(api: ApiClient, query: str) -> None:
    assert (await api.ask("GET", f"/organizations?{query}")).code == "invalid_query"


async def test_a_cursor_of_another_order_is_refused(api: ApiClient) -> None:
    for name in ("A", "B"):
        await api.organization(name)
    page = await api.get("/organizations?limit=1")
    cursor = quote(page["next_cursor"])
    reply = await api.ask("GET", f"/organizations?sort=created_at&cursor={cursor}")
    assert reply.code == "invalid_cursor"
