"""The bounds of the role support: short overrides, few in a row, and no way round an admin's denial."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.api import ApiClient


def override(effect: str = "allow", **times: float) -> dict[str, Any]:
    """An override; times in days from now."""
    now = datetime.now(UTC)
    instants = {name: (now + timedelta(days=days)).isoformat() for name, days in times.items()}
    return {"effect": effect, "reason": "goodwill", **instants}


async def put(api: ApiClient, path: str, body: dict[str, Any]) -> int:
    return (await api.ask("PUT", path, body)).status


async def age(api: ApiClient, days: float) -> None:
    """Let the overrides of support be older."""
    await api.service.pool.execute(
        "UPDATE callgate.support_overrides SET starts_at = starts_at - $1::interval, "
        "ends_at = ends_at - $1::interval",
        timedelta(days=days),
    )


async def test_support_cannot_renew_an_override_for_ever(api: ApiClient) -> None:
    path = f"/organizations/{(await api.organization())['id']}/override"
    sue = await api.as_role("support")
    assert await put(sue, path, override(expires_at=5)) == 200
    # Replacing and removing gives the rest of the days back, not those that went by.
    assert await put(sue, path, override(expires_at=6)) == 200
    assert (await sue.ask("DELETE", path)).status == 200
    assert await put(sue, path, override(expires_at=4)) == 200
    await age(api, 4)
    assert await put(sue, path, override(expires_at=2)) == 200
    await age(api, 2)
    refused = await sue.ask("PUT", path, override(expires_at=3))
    assert (refused.status, refused.code) == (403, "forbidden")
    assert "7 days in total within 30 days; 23 hours of them are left" in refused.json["detail"]
    assert await put(sue, path, override(starts_at=1, expires_at=4)) == 403
    assert await put(sue, path, override(expires_at=0.9)) == 200
    assert await put(api, path, override(expires_at=300)) == 200
    assert await put(api, path, override(expires_at=1)) == 200
    await age(api, 31)
    assert await put(sue, path, override(expires_at=6.9)) == 200


async def test_support_cannot_lift_an_admins_denial(api: ApiClient) -> None:
    path = f"/organizations/{(await api.organization())['id']}/override"
    sue = await api.as_role("support")
    assert await put(api, path, override("deny", expires_at=1)) == 200
    for refused in (
        await sue.ask("PUT", path, override(expires_at=1)),
        await sue.ask("PUT", path, override("deny", expires_at=0.1)),
        await sue.ask("DELETE", path),
    ):
        assert refused.status == 403
        assert "An admin (admin-token) denied access" in refused.json["detail"]
    assert (await api.get(path.removesuffix("/override")))["override"]["effect"] == "deny"
    assert (await api.ask("DELETE", path)).status == 200
    # Its own denial, and an admin's short exception, it may change.
    assert await put(sue, path, override("deny", expires_at=1)) == 200
    assert await put(sue, path, override(expires_at=1)) == 200
    assert await put(api, path, override(expires_at=1)) == 200
    assert (await sue.ask("DELETE", path)).status == 200


async def test_a_denial_of_before_counts_as_an_admins(api: ApiClient) -> None:
    path = f"/organizations/{(await api.organization())['id']}/override"
    sue = await api.as_role("support")
    assert await put(sue, path, override("deny", expires_at=1)) == 200
    await api.service.pool.execute("UPDATE callgate.overrides SET author_role = NULL")
    assert (await sue.ask("DELETE", path)).status == 403


async def test_support_may_replace_an_override_that_has_ended(api: ApiClient) -> None:
    path = f"/organizations/{(await api.organization())['id']}/override"
    sue = await api.as_role("support")
    assert await put(api, path, override("deny", starts_at=-20, expires_at=-1)) == 200
    assert await put(sue, path, override(expires_at=1)) == 200
    assert await put(api, path, override("deny", expires_at=-1)) == 200
    assert (await sue.ask("DELETE", path)).status == 200
