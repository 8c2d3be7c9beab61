"""The policy chain over the API."""

from tests.support.api import ApiClient


async def test_the_chain_is_listed_in_its_order(api: ApiClient) -> None:
    page = await api.get("/policies")
    assert page["next_cursor"] is None
    assert [(item["name"], item["order"], item["plugin"]) for item in page["items"]] == [
        ("admin_override", 0, "callgate"),
        ("plan", 100, "callgate"),
        ("trial", 200, "callgate"),
    ]
    assert {item["mode"] for item in page["items"]} == {"enforce"}
    assert all(item["version"] for item in page["items"])
    first = await api.get("/policies?limit=2")
    assert first["items"] == page["items"][:2]
    rest = await api.get(f"/policies?limit=2&cursor={first['next_cursor']}")
    assert (rest["items"], rest["next_cursor"]) == (page["items"][2:], None)


async def test_policies_tell_how_they_do(api: ApiClient) -> None:
    before = {one["name"]: one["health"] for one in (await api.get("/policies"))["items"]}
    await api.organization("Acme")
    page = await api.get("/policies")
    after = page["items"]
    assert page["problems"] == []
    for policy in after:
        health = policy["health"]
        assert health["asked"] > before[policy["name"]]["asked"]
        assert (health["failed"], health["suspended"], health["last_failure"]) == (0, False, None)
    assert [one["veto"] for one in after] == [True, False, False]
