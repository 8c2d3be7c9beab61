"""The times of ID tokens are judged by the database's clock."""

import time

import aiohttp

from service.admin.people.oidc import Oidc
from service.store.pool import Pool
from tests.admin.people.test_oidc import sign_in, who
from tests.support.database_clock import shift_clock
from tests.support.oidc_provider import TestProvider

BEHIND_SECONDS = 300


async def test_the_times_of_an_id_token_are_judged_by_the_databases_clock(
    pool: Pool, provider: TestProvider, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    """The provider's clock is right, and this machine's five minutes behind."""
    await shift_clock(pool, BEHIND_SECONDS)
    now = int(time.time()) + BEHIND_SECONDS
    provider.change = {"iat": now, "exp": now + 300}
    assert await who(pool, await sign_in(oidc, session)) == ("Ada", "admin")
