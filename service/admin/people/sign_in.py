"""Sign-in to the panel with a name and a password."""

from dataclasses import dataclass, field

import structlog

from service.admin.changes import transaction
from service.admin.people.known_browsers import KnownBrowsers
from service.admin.people.passwords import Passwords
from service.admin.people.sessions import start_session
from service.admin.people.throttle import Throttle, network_of
from service.domain.people import Client, SignInRefusedError, key_of
from service.domain.texts import MOST_CHARACTERS
from service.store.people import admins
from service.store.pool import Pool

log = structlog.get_logger()


def refused() -> SignInRefusedError:
    """One sentence for every cause: it must not reveal which names exist."""
    return SignInRefusedError("The name or the password is wrong.")


@dataclass(frozen=True, slots=True)
class SignIn:
    """Verifies passwords, with a delay after failures."""

    pool: Pool
    passwords: Passwords = field(default_factory=Passwords)

    async def sign_in(self, name: str, password: str, client: Client, *, browser: str = "") -> str:
        """Begin a session and return its token. `browser` is the cookie of `KnownBrowsers`.

        Raises `SignInRefusedError`, `TooManyAttemptsError`.
        """
        if max(len(name), len(password)) > MOST_CHARACTERS:
            raise refused()
        throttle = Throttle(self.pool)
        counter = await KnownBrowsers(self.pool).find_counter(browser, name)
        await throttle.begin(name, client.address, counter)
        admin = await admins.find_by_key(self.pool, key_of(name))
        kept = None if admin is None else await admins.find_hash(self.pool, admin.id)
        right = await self.passwords.verify(kept, password)
        if admin is None or kept is None or not right or admin.disabled_at is not None:
            log.warning("sign_in.refused", network=network_of(client.address))
            raise refused()
        new = await self.passwords.hash(password) if self.passwords.is_outdated(kept) else None
        async with transaction(self.pool) as connection:
            # An admin who was disabled or got another password while hashing is refused.
            await admins.lock(connection)
            now = await admins.find(connection, admin.id)
            if now is None or now.disabled_at is not None:
                raise refused()
            if await admins.find_hash(connection, admin.id) != kept:
                raise refused()
            if new is not None:
                await admins.replace_hash(connection, admin.id, kept, new)
            token = await start_session(connection, now, client)
        await throttle.succeed(name, client.address, counter)
        log.info("sign_in.succeeded", admin_id=admin.id)
        return token
