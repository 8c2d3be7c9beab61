"""Seeds a service with the sample organizations, over its own API, and with an admin."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

from service.admin.people.people import People
from service.sandbox.samples import SAMPLE_ORGANIZATIONS, SampleOrganization
from service.store.pool import create_pool

ADMIN_NAME = "admin"


class SeedingError(Exception):
    """The service rejected the sample data."""


@dataclass(frozen=True, slots=True)
class Seeding:
    """A client of the service's API with an admin's token."""

    session: aiohttp.ClientSession
    base_url: str
    token: str

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Make one request; raises `SeedingError` for a status of 300 or more."""
        async with self.session.request(
            method,
            f"{self.base_url}/api/v1{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
        ) as response:
            answer = await response.json(content_type=None)
            if response.status >= 300:
                raise SeedingError(f"{method} {path}: {response.status} {answer}")
            return answer

    async def run(self) -> None:
        """Add the missing sample data; idempotent."""
        for sample in SAMPLE_ORGANIZATIONS:
            await self.put(sample)

    async def put(self, sample: SampleOrganization) -> None:
        """Add one sample. Its number tells whether it is there: the organization may have been renamed,
        and the number moved to another one."""
        numbers = await self.call("GET", f"/phone-numbers?search={sample.vapi_phone_number_id}")
        for number in numbers["items"]:
            # The service may listen on another port than last time.
            await self.call("POST", f"/phone-numbers/{number['id']}/sync")
        if numbers["items"]:
            return
        found = await self.call("GET", f"/organizations?external_id={sample.external_id}")
        organization = found["items"][0] if found["items"] else await self.create(sample)
        await self.call(
            "POST",
            "/phone-numbers",
            {
                "organization_id": organization["id"],
                "vapi_phone_number_id": sample.vapi_phone_number_id,
                "label": f"{sample.name}, main line",
            },
        )

    async def create(self, sample: SampleOrganization) -> Any:
        organization = await self.call(
            "POST",
            "/organizations",
            {
                "name": sample.name,
                "external_id": sample.external_id,
                "blocked_message": sample.blocked_message,
            },
        )
        path = f"/organizations/{organization['id']}"
        if sample.plan_code is not None:
            plan = {"code": sample.plan_code, "status": sample.plan_status}
            await self.call("PUT", f"{path}/plan", plan)
        if sample.trial_ends_in is not None:
            ends_at = (datetime.now(UTC) + sample.trial_ends_in).isoformat()
            await self.call("PUT", f"{path}/trial", {"ends_at": ends_at})
        return organization


async def seed_admin(dsn: str, password: str, *, reset: bool) -> bool:
    """Add the sandbox's admin; with `reset`, where the former password is lost, set it again.

    Returns False if an account with that name has another password.
    """
    pool = await create_pool(dsn, 1)
    try:
        return await People(pool, "").seed(ADMIN_NAME, password, reset=reset)
    finally:
        await pool.close()
