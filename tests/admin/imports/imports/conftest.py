"""Imports on a real database and a stand-in for Vapi."""

from collections.abc import AsyncIterator
from uuid import UUID

import aiohttp
import pytest
from pydantic import SecretStr

from service.admin.imports.imports import Imports
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.domain.priority import Priority
from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from service.vapi.client import VapiClient
from tests.admin.imports.imports.helpers import (
    NoReconciler,
)


@pytest.fixture
async def imports(pool: Pool, vapi: SandboxVapi) -> AsyncIterator[Imports]:
    async def at_once(_priority: Priority) -> None: ...

    async def freshen(_organization_id: UUID) -> None: ...

    async with aiohttp.ClientSession() as session:
        client = VapiClient(session, vapi.base_url, SecretStr(vapi.api_key), at_once)
        numbers = PhoneNumbers(pool, freshen, NoReconciler())
        yield Imports(pool, client, numbers, wait_seconds=0.001)
