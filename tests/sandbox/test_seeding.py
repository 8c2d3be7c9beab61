"""The sample data of the sandbox, which every start adds where it is missing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.sandbox.samples import SAMPLE_ORGANIZATIONS
from service.sandbox.seeding import Seeding
from service.sandbox.server import SandboxVapi
from tests.support.api import ApiClient, serving
from tests.support.settings import TOKEN, settings_for


@pytest.fixture
async def api(dsn: str, vapi: SandboxVapi, tmp_path: Path) -> AsyncIterator[ApiClient]:
    """A service beside the sandbox."""
    async with serving(settings_for(tmp_path, vapi.base_url), dsn) as client:
        yield client


async def test_samples_that_were_renamed_and_moved_are_not_added_again(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    for sample in SAMPLE_ORGANIZATIONS:
        vapi.add_number(provider="vapi", id=sample.vapi_phone_number_id)
    seeding = Seeding(api.session, api.base_url, TOKEN)
    await seeding.run()
    first, other, *_ = (await api.get("/organizations"))["items"]
    renamed = {"name": "Mine", "external_id": "mine"}
    assert (await api.ask("PATCH", f"/organizations/{first['id']}", renamed)).status == 200
    [number] = (await api.get(f"/phone-numbers?organization_id={other['id']}"))["items"]
    moved = {"organization_id": first["id"]}
    assert (await api.ask("PATCH", f"/phone-numbers/{number['id']}", moved)).status == 200
    await seeding.run()
    assert len((await api.get("/organizations"))["items"]) == len(SAMPLE_ORGANIZATIONS)
    assert len((await api.get("/phone-numbers"))["items"]) == len(SAMPLE_ORGANIZATIONS)
    assert (await api.ask("DELETE", f"/phone-numbers/{number['id']}")).status == 204
    await seeding.run()
    assert len((await api.get("/phone-numbers"))["items"]) == len(SAMPLE_ORGANIZATIONS)
