"""Keys that the provider changes, or does not name, and how often they are read."""

import aiohttp
import pytest
from joserfc.errors import JoseError

from service.admin.people.oidc import Oidc
from service.admin.people.oidc_keys import MOST_READS
from service.domain.people import SignInRefusedError
from service.store.pool import Pool
from tests.admin.people.test_oidc import sign_in, who
from tests.support.oidc_provider import TestProvider, new_key, sign_with, sign_without_kid


async def test_a_key_that_changes_under_its_name_is_read_again(
    pool: Pool, provider: TestProvider, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    await sign_in(oidc, session)
    provider.key = new_key("first")
    assert await who(pool, await sign_in(oidc, session)) == ("Ada", "admin")
    assert provider.asked.count("keys") == 2


@pytest.mark.parametrize("side", ["token", "keys", "both"])
async def test_tokens_and_keys_without_names(
    pool: Pool, provider: TestProvider, oidc: Oidc, session: aiohttp.ClientSession, side: str
) -> None:
    provider.shows_kid = side == "token"
    if side != "keys":
        provider.sign = lambda claims: sign_without_kid(provider.key, claims)
    assert await who(pool, await sign_in(oidc, session)) == ("Ada", "admin")
    provider.key = new_key("first")
    assert await who(pool, await sign_in(oidc, session)) == ("Ada", "admin")
    thief = new_key("first")
    provider.sign = lambda claims: sign_without_kid(thief, claims)
    with pytest.raises(SignInRefusedError):
        await sign_in(oidc, session)


async def test_strange_tokens_do_not_make_us_read_the_keys_again_and_again(
    provider: TestProvider, oidc: Oidc
) -> None:
    keys = oidc.provider.keys
    good = sign_with(provider.key, {"sub": "1815"})
    assert (await keys.decode(good))["sub"] == "1815"
    thief = new_key("first")
    for place in range(2 * MOST_READS):
        with pytest.raises(JoseError):
            await keys.decode(sign_with(thief, {"sub": str(place)}))
    assert provider.asked.count("keys") == MOST_READS
    assert (await keys.decode(good))["sub"] == "1815"
