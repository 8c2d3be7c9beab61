"""The admin API as it is served: real HTTP, real PostgreSQL, a stand-in for Vapi."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.api import ApiClient, serving
from tests.support.settings import settings_for


@pytest.fixture
async def api(dsn: str, vapi: SandboxVapi, tmp_path: Path) -> AsyncIterator[ApiClient]:
    """A client with the admin's token."""
    async with serving(settings_for(tmp_path, vapi.base_url), dsn) as client:
        yield client
