"""PostgreSQL goes away and comes back: the API says so, and never answers 500."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.sandbox.server import SandboxVapi
from service.store.postgres.server import EmbeddedPostgres
from service.store.schema import migrate
from tests.support.api import ApiClient, serving
from tests.support.settings import settings_for


@pytest.fixture
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server that this test may stop."""
    with tempfile.TemporaryDirectory(prefix="callgate-tests-") as folder:
        server = EmbeddedPostgres(Path(folder), options={"fsync": "off"})
        yield server
        server.stop()


async def ask_everything(api: ApiClient, organization_id: str) -> None:
    any_id = "00000000-0000-0000-0000-000000000001"
    bodies = {
        ("POST", "/organizations"): {"name": "x"},
        ("PATCH", "/organizations/{organization_id}"): {"name": "x"},
        ("PUT", "/organizations/{organization_id}/plan"): {"code": "x", "status": "active"},
        ("PUT", "/organizations/{organization_id}/trial"): {"ends_at": "2099-01-01T00:00:00Z"},
        ("PUT", "/organizations/{organization_id}/override"): {"effect": "deny", "reason": "x"},
        ("POST", "/phone-numbers"): {
            "organization_id": organization_id,
            "vapi_phone_number_id": "pn",
        },
        ("PATCH", "/phone-numbers/{phone_number_id}"): {"label": "x"},
        ("PUT", "/phone-numbers/{phone_number_id}/pause"): {"reason": "x"},
        ("POST", "/phone-numbers/{phone_number_id}/rollback"): {"change_id": 1},
        ("PUT", "/reconcile/pause"): {"reason": "x"},
        ("PUT", "/policies/{name}"): {"mode": "off"},
        ("PUT", "/organizations/{organization_id}/policies/{name}"): {"mode": "off"},
        ("POST", "/unknown-numbers/{vapi_phone_number_id}/claim"): {
            "organization_id": organization_id
        },
        ("POST", "/organizations/{organization_id}/relay/replay"): {
            "since": "2026-01-01T00:00:00Z"
        },
        ("POST", "/calls/forget"): {"number": "+15550100"},
        ("POST", "/imports"): {"kind": "organizations", "csv": "name\nBakery\n"},
        ("POST", "/tokens"): {"name": "x", "role": "viewer"},
    }
    for method, template in await api.operations():
        path = template.format(
            organization_id=organization_id,
            phone_number_id=any_id,
            vapi_phone_number_id=any_id,
            call_id=any_id,
            token_id=any_id,
            name="plan",
            import_id=any_id,
        )
        reply = await api.ask(method, path, bodies.get((method, template)))
        if template == "/policies":
            assert reply.status == 200
            continue
        assert (reply.status, reply.code) == (503, "unavailable"), (method, path)
        assert int(reply.headers["Retry-After"]) > 0


async def test_without_postgresql_every_route_is_unavailable_and_back_with_it(
    postgres: EmbeddedPostgres, vapi: SandboxVapi, tmp_path: Path
) -> None:
    dsn = postgres.start()
    await migrate(dsn)
    async with serving(settings_for(tmp_path, vapi.base_url), dsn) as api:
        made = await api.organization()
        token = (await api.issue_token("viewer"))["token"]
        postgres.stop()
        await ask_everything(api, made["id"])
        reply = await api.with_token(token).ask("GET", "/policies")
        assert (reply.status, reply.code) == (503, "unavailable")
        postgres.start()
        assert (await api.get(f"/organizations/{made['id']}")) == made
        assert (await api.get("/organizations"))["items"] == [made]
