"""The policy chain over the API."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field, SecretStr

from policies import AccessRequest, Verdict, abstain, deny
from policies.testing import NOW
from service.domain.policies.shadow import ShadowVerdict
from tests.support.api import ApiClient
from tests.support.chains import put_policy

SHIPPED = ("caller_rules", "opening_hours", "quota", "concurrency")
"""They sleep until an organization has settings for them."""


async def test_the_chain_is_listed_in_its_order(api: ApiClient) -> None:
    page = await api.get("/policies")
    assert page["next_cursor"] is None
    assert [(item["name"], item["order"], item["plugin"]) for item in page["items"]] == [
        ("admin_override", 0, "callgate"),
        ("caller_rules", 40, "callgate"),
        ("opening_hours", 50, "callgate"),
        ("quota", 60, "callgate"),
        ("concurrency", 70, "callgate"),
        ("plan", 100, "callgate"),
        ("trial", 200, "callgate"),
    ]
    assert {item["mode"] for item in page["items"]} == {"enforce"}
    assert all(item["version"] for item in page["items"])
    first = await api.get("/policies?limit=4")
    assert first["items"] == page["items"][:4]
    rest = await api.get(f"/policies?limit=4&cursor={first['next_cursor']}")
    assert (rest["items"], rest["next_cursor"]) == (page["items"][4:], None)


async def test_policies_tell_how_they_do(api: ApiClient) -> None:
    before = {one["name"]: one["health"] for one in (await api.get("/policies"))["items"]}
    await api.organization("Acme")
    page = await api.get("/policies")
    after = page["items"]
    assert page["problems"] == []
    for policy in after:
        health = policy["health"]
        asleep = policy["name"] in SHIPPED
        assert (health["asked"] > before[policy["name"]]["asked"]) != asleep
        assert (health["failed"], health["suspended"], health["last_failure"]) == (0, False, None)
    assert [one["name"] for one in after if one["veto"]] == ["admin_override"]


class Limits(BaseModel):
    """What an organization sets for the policy of these tests."""

    minutes: int = Field(gt=0)
    key: SecretStr | None = None


class Minutes:
    """Denies organizations whose minutes are few; it sleeps until one chooses it."""

    name = "minutes"
    order = 50
    pure = True
    opt_in = True
    settings = Limits

    def evaluate(self, request: AccessRequest) -> Verdict:
        return deny("few_minutes") if request.settings.minutes < 10 else abstain()


@pytest.fixture
def minutes(api: ApiClient) -> str:
    put_policy(api.service.access.policies.chain, Minutes())
    return "/policies/minutes"


async def test_a_choice_for_all_is_in_force_at_once_audited_and_undone(
    api: ApiClient, minutes: str
) -> None:
    chosen = {"mode": "shadow", "share": 0.25, "order": 150, "on_failure": "deny"}
    reply = await api.ask("PUT", minutes, {**chosen, "timeout_seconds": 1})
    assert reply.status == 200
    assert {name: reply.json[name] for name in chosen} == chosen
    assert reply.json["timeout_seconds"] == 1.0
    listed = (await api.get("/policies"))["items"]
    names = [one["name"] for one in listed if one["name"] not in SHIPPED]
    assert names == ["admin_override", "plan", "minutes", "trial"]
    assert listed[-2] == await api.get(minutes) == reply.json
    partly = await api.ask("PUT", minutes, {"order": None, "mode": "enforce"})
    assert (partly.json["order"], partly.json["mode"], partly.json["share"]) == (
        50,
        "enforce",
        None,
    )
    assert partly.json["on_failure"] == "deny"
    entry = (await api.audit("minutes"))[0]
    assert (entry["action"], entry["object_type"]) == ("policy.changed", "policy")
    assert (entry["before"]["mode"], entry["after"]["mode"]) == ("shadow", "enforce")
    same = await api.ask("PUT", minutes, {})
    assert (same.status, len(await api.audit("minutes"))) == (200, 2)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "on"}, "mode"),
        ({"order": 1.5}, "order"),
        ({"order": 10**7}, "order"),
        ({"on_failure": "skip"}, "on_failure"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": 3}, "timeout_seconds"),
        ({"share": 1, "mode": "shadow"}, "share"),
        ({"modes": "off"}, "modes"),
        ({"settings": {}}, "settings"),
    ],
)
async def test_a_wrong_choice_names_its_field(
    api: ApiClient, body: dict[str, object], field: str
) -> None:
    reply = await api.ask("PUT", "/policies/plan", body)
    assert reply.status == 422
    assert reply.json["errors"][0]["field"] == field


async def test_what_cannot_be_chosen_is_refused(api: ApiClient) -> None:
    owner = (await api.organization())["id"]
    for path in ("/policies/admin_override", f"/organizations/{owner}/policies/admin_override"):
        for mode in ("off", "shadow"):
            reply = await api.ask("PUT", path, {"mode": mode})
            assert (reply.status, reply.code) == (422, "policy_always_enforced")
    reply = await api.ask("PUT", "/policies/plan", {"share": 0.5})
    assert (reply.status, reply.code) == (422, "share_without_shadow")
    for name in ("gone", "Not-A-Name", "a" * 64, "%00"):
        for method, path, body in (
            ("GET", f"/policies/{name}", None),
            ("PUT", f"/policies/{name}", {"mode": "off"}),
            ("GET", f"/policies/{name}/shadow", None),
            ("GET", f"/organizations/{owner}/policies/{name}", None),
            ("PUT", f"/organizations/{owner}/policies/{name}", {"mode": "off"}),
            ("DELETE", f"/organizations/{owner}/policies/{name}", None),
        ):
            reply = await api.ask(method, path, body)
            assert (reply.status, reply.code) == (404, "policy_not_found"), (method, path)
    reply = await api.ask("PUT", f"/organizations/{uuid4()}/policies/plan", {"mode": "off"})
    assert (reply.status, reply.code) == (404, "organization_not_found")


async def test_settings_of_one_organization_are_checked_by_the_policys_model(
    api: ApiClient, minutes: str
) -> None:
    owner = (await api.organization("Acme", external_id="acme"))["id"]
    await api.ask("PUT", f"/organizations/{owner}/trial", {"ends_at": "2099-01-01T00:00:00Z"})
    path = f"/organizations/external_id:acme{minutes}"
    asleep = await api.get(path)
    assert asleep == {
        "organization_id": owner,
        "name": "minutes",
        "mode": None,
        "settings": None,
        "in_force": {"mode": "enforce", "awake": False},
        "problem": None,
    }
    for settings, field in (
        ({}, "settings.minutes"),
        ({"minutes": "few"}, "settings.minutes"),
        ({"minutes": 0}, "settings.minutes"),
        ({"minutes": 5, "hours": 1}, "settings.hours"),
    ):
        refused = await api.ask("PUT", path, {"settings": settings})
        assert (refused.status, refused.code) == (422, "policy_settings_invalid")
        assert refused.json["errors"][0]["field"] == field
    made = await api.ask("PUT", path, {"settings": {"minutes": 5}})
    assert (made.status, made.json["settings"]) == (200, {"minutes": 5})
    assert made.json["in_force"] == {"mode": "enforce", "awake": True}
    assert (await api.get(f"/organizations/{owner}"))["access"]["reason"] == "few_minutes"
    shadow = await api.ask("PUT", path, {"mode": "shadow"})
    assert shadow.json["settings"] == {"minutes": 5}
    access = await api.get(f"/organizations/{owner}/access")
    assert (access["allowed"], access["reason"]) == (True, "trial_active")
    entry = next(one for one in access["trace"] if one["policy"] == "minutes")
    assert (entry["effect"], entry["reason"], entry["mode"]) == ("deny", "few_minutes", "shadow")
    assert (await api.ask("DELETE", path)).status == 204
    assert await api.get(path) == asleep
    assert (await api.ask("DELETE", path)).status == 204
    actions = [one["action"] for one in await api.audit(owner)]
    assert actions.count("organization_policy.changed") == 3


async def test_a_policy_without_settings_takes_none(api: ApiClient) -> None:
    owner = (await api.organization())["id"]
    reply = await api.ask("PUT", f"/organizations/{owner}/policies/plan", {"settings": {"a": 1}})
    assert (reply.status, reply.json["errors"][0]["field"]) == (422, "settings")


async def test_a_secret_is_sealed_masked_and_kept(api: ApiClient, minutes: str) -> None:
    owner = (await api.organization())["id"]
    path = f"/organizations/{owner}{minutes}"
    made = await api.ask("PUT", path, {"settings": {"minutes": 5, "key": "hush"}})
    assert made.json["settings"] == {"minutes": 5, "key": "**********"}
    assert (await api.get(path))["problem"] is None
    stored = await api.service.pool.fetchval("SELECT settings FROM callgate.organization_policies")
    assert stored["key"].startswith("sealed.v1.")
    kept = await api.ask("PUT", path, {"settings": {"minutes": 6, "key": "**********"}})
    assert kept.json["settings"]["key"] == "**********"
    changed = await api.service.pool.fetchval("SELECT settings FROM callgate.organization_policies")
    assert changed == {"minutes": 6, "key": stored["key"]}
    same = await api.ask("PUT", path, {"settings": {"minutes": 6, "key": "hush"}})
    assert same.headers["ETag"] == kept.headers["ETag"]
    for entry in await api.audit(owner):
        assert "hush" not in str(entry)
        assert "sealed" not in str(entry)
    (policy,) = (
        one for one in api.service.access.policies.chain.evaluators if one.policy.name == "minutes"
    )
    organization = await api.service.use_cases.organizations.get(UUID(owner))
    settings = policy.settings_for(organization.id, organization.policies["minutes"])
    assert isinstance(settings, Limits)
    assert settings.key == SecretStr("hush")


async def test_stored_settings_that_a_newer_plugin_refuses_are_shown(
    api: ApiClient, minutes: str
) -> None:
    owner = (await api.organization())["id"]
    path = f"/organizations/{owner}{minutes}"
    await api.ask("PUT", path, {"settings": {"minutes": 5}})
    await api.service.pool.execute(
        """UPDATE callgate.organization_policies SET settings = '{"minutes": -1}'"""
    )
    assert "settings.minutes" in (await api.get(path))["problem"]
    access = await api.get(f"/organizations/{owner}/access")
    (entry,) = (one for one in access["trace"] if one["policy"] == "minutes")
    assert (entry["effect"], entry["reason"]) == ("failed", "settings_refused")
    assert (await api.ask("PUT", path, {"settings": {"minutes": 7}})).json["problem"] is None


async def test_a_choice_about_a_policy_that_is_gone_can_be_read_and_removed(api: ApiClient) -> None:
    owner = (await api.organization())["id"]
    await api.service.pool.execute(
        """INSERT INTO callgate.organization_policies (organization_id, name, mode, settings)
        VALUES ($1, 'gone', 'shadow', '{"a": 1}')""",
        owner,
    )
    path = f"/organizations/{owner}/policies/gone"
    found = await api.get(path)
    assert (found["mode"], found["in_force"]["awake"]) == ("shadow", False)
    refused = await api.ask("PUT", path, {"mode": "off"})
    assert (refused.status, refused.code) == (404, "policy_not_found")
    assert (await api.ask("DELETE", path)).status == 204
    assert (await api.ask("GET", path)).status == 404


async def test_the_report_names_the_calls_that_would_have_been_decided_differently(
    api: ApiClient,
) -> None:
    owner = UUID((await api.organization())["id"])
    writer = api.service.access.shadows
    for number in range(5):
        writer.record(
            ShadowVerdict(
                "plan",
                f"call-{number}",
                owner,
                "deny",
                "few_minutes",
                "allow",
                "deny" if number else "allow",
                NOW + timedelta(minutes=number),
            )
        )
    await writer.flush()
    report = await api.get("/policies/plan/shadow?limit=3")
    items, cursor = report.pop("items"), report.pop("next_cursor")
    assert report == {
        "asked": 5,
        "would_have_blocked": 4,
        "would_have_allowed": 0,
        "organizations": 1,
    }
    assert items[0] == {
        "vapi_call_id": "call-4",
        "organization_id": str(owner),
        "reason": "few_minutes",
        "decided": "allow",
    }
    rest = await api.get(f"/policies/plan/shadow?limit=3&cursor={cursor}")
    assert ([one["vapi_call_id"] for one in rest["items"]], rest["next_cursor"]) == (
        ["call-1"],
        None,
    )
    since = (NOW + timedelta(minutes=3)).isoformat().replace("+00:00", "Z")
    assert (await api.get(f"/policies/plan/shadow?since={since}"))["asked"] == 2
    assert (await api.get(f"/policies/plan/shadow?until={since}"))["would_have_blocked"] == 2
