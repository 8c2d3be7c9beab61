"""The audit log over the API."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.api import ApiClient


async def test_every_change_says_who_what_before_after_when_and_whence(api: ApiClient) -> None:
    made = await api.organization("Old", attributes={"a": 1})
    path = f"/organizations/{made['id']}"
    await api.ask("PATCH", path, {"name": "New"})
    await api.ask("PUT", f"{path}/plan", {"code": "pro", "status": "active"})
    await api.ask("PUT", f"{path}/plan", {"code": "pro", "status": "active"})
    await api.ask("DELETE", f"{path}/trial")
    await api.ask("DELETE", path)
    entries = await api.audit(made["id"])
    assert [entry["action"] for entry in entries] == [
        "organization.deleted",
        "plan.put",
        "organization.changed",
        "organization.created",
    ]
    for entry in entries:
        assert (entry["actor"], entry["source"]) == ("admin-token", "api")
        assert (entry["object_type"], entry["object_id"]) == ("organization", made["id"])
        assert datetime.now(UTC) - datetime.fromisoformat(entry["at"]) < timedelta(minutes=1)
    deleted, plan, changed, created = entries
    assert created["before"] is None
    assert (created["after"]["name"], created["after"]["attributes"]) == ("Old", {"a": 1})
    assert (changed["before"], changed["after"]) == ({"name": "Old"}, {"name": "New"})
    assert plan["before"] == {"plan": None}
    assert plan["after"]["plan"]["status"] == "active"
    assert (deleted["before"]["name"], deleted["after"]) == ("New", None)


async def test_the_audit_is_filtered_and_paged_newest_first(api: ApiClient) -> None:
    for number in range(5):
        await api.organization(f"org {number}")
    support = await api.as_role("admin")
    await support.ask("POST", "/organizations", {"name": "by another"})
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await api.get(f"/audit?object_type=organization&limit=2{cursor}")
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [entry["after"]["name"] for entry in seen] == [
        "by another",
        *(f"org {number}" for number in reversed(range(5))),
    ]
    page = await api.get("/audit?actor=token%3Aa%20admin")
    assert [entry["after"]["name"] for entry in page["items"]] == ["by another"]
    assert (await api.get("/audit?object_type=nothing"))["items"] == []


@pytest.mark.parametrize(
    "statement", ["UPDATE callgate.audit SET actor = 'x'", "DELETE FROM callgate.audit"]
)
async def test_the_audit_is_append_only(api: ApiClient, statement: str) -> None:
    await api.organization()
    with pytest.raises(Exception, match="append-only"):
        await api.service.pool.execute(statement)


async def test_the_audit_is_filtered_by_source_action_and_period(api: ApiClient) -> None:
    made = await api.organization("Acme")
    await api.ask("PUT", f"/organizations/{made['id']}/plan", {"code": "pro", "status": "active"})
    (entry,) = (await api.get("/audit?action=plan.put"))["items"]
    assert (entry["source"], entry["undoes"], entry["undone_by"]) == ("api", None, None)
    for query, count in (
        ("source=api&action=plan.put", 1),
        ("source=web", 0),
        (f"since={quote(entry['at'])}&object_id={made['id']}", 1),
        (f"until={quote(entry['at'])}&object_id={made['id']}", 1),
        ("until=2020-01-01T00:00:00Z", 0),
    ):
        assert len((await api.get(f"/audit?{query}"))["items"]) == count, query
    assert (await api.ask("GET", "/audit?since=yesterday")).code == "invalid_query"
