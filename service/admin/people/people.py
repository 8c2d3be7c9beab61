"""Use cases for admins: the first one, more of them, their roles and passwords."""

import hmac
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.errors import AdminNotFoundError, AlreadySetUpError, WrongPasswordError
from service.admin.people.admins import add, admin_version, audited, get, keep_one, set_role
from service.admin.people.known_browsers import KnownBrowsers
from service.admin.people.passwords import Passwords
from service.admin.people.sessions import start_session
from service.admin.people.throttle import Throttle, network_of
from service.admin.people.tokens import hash_of, revoke_of_admin
from service.admin.requests.versions import check_version
from service.domain.people import (
    Admin,
    Client,
    Role,
    SignInRefusedError,
    check_password,
    key_of,
    parse_name,
)
from service.store.people import admins as store
from service.store.people import sessions
from service.store.pool import Pool

SETUP = "set-up"
SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class People:
    """Admins in the database. `setup_token` allows to create the first one; "": only codes do."""

    pool: Pool
    setup_token: str
    passwords: Passwords = field(default_factory=Passwords)

    async def is_first_run(self) -> bool:
        """Whether there is no admin yet."""
        return await store.is_empty(self.pool)

    async def issue_setup_code(self) -> str | None:
        """A code to create the first admin; None if an admin exists."""
        code = secrets.token_urlsafe(24)
        async with transaction(self.pool) as connection:
            await store.lock(connection)
            if not await store.is_empty(connection):
                return None
            await store.insert_code(connection, hash_of(code))
        return code

    async def create_first(self, *, name: str, password: str, code: str, client: Client) -> str:
        """Create the first admin and sign them in; of concurrent requests one wins. Returns the
        session's token. Raises `AlreadySetUpError`, `SignInRefusedError`."""
        throttle = Throttle(self.pool)
        # By address alone: guesses from elsewhere do not slow down who has the code.
        setup = f"{SETUP} {network_of(client.address)}"
        await throttle.begin(setup, client.address)
        given = hash_of(code)
        by_token = bool(self.setup_token) and hmac.compare_digest(given, hash_of(self.setup_token))
        if not by_token and not await store.has_code(self.pool, given):
            await self.refuse_second()
            raise SignInRefusedError("The set-up code is wrong.", field="code")
        await throttle.succeed(setup, client.address)
        name = parse_name(name)
        check_password(password, name)
        await self.refuse_second()
        password_hash = await self.passwords.hash(password)
        async with transaction(self.pool) as connection:
            await store.lock(connection)
            if not await store.is_empty(connection):
                raise AlreadySetUpError
            actor = Actor(name, "admin", "web")
            admin = await add(
                connection, actor, name=name, role="admin", password_hash=password_hash
            )
            return await start_session(connection, admin, client)

    async def refuse_second(self) -> None:
        if not await self.is_first_run():
            raise AlreadySetUpError

    async def create(self, actor: Actor, *, name: str, role: Role, password: str) -> Admin:
        """Add an admin who signs in with a password. Raises `InvalidError`, `ConflictError`."""
        actor.require_admin()
        name = parse_name(name)
        check_password(password, name)
        password_hash = await self.passwords.hash(password)
        async with transaction(self.pool) as connection:
            await store.lock(connection)
            return await add(connection, actor, name=name, role=role, password_hash=password_hash)

    async def list_page(self, actor: Actor, *, after: UUID | None, limit: int) -> list[Admin]:
        """Admins by name; `after` is the last one of the page before."""
        actor.require_admin()
        return await store.list_page(self.pool, after=after, limit=limit)

    async def count(self, actor: Actor) -> int:
        """How many admins there are, disabled ones among them."""
        actor.require_admin()
        return await store.count(self.pool)

    async def get(self, actor: Actor, admin_id: UUID) -> Admin:
        """One admin: admins may read all, others only themselves. Raises `NotFoundError`."""
        found = await store.find(self.pool, admin_id)
        if found is None or key_of(found.name) != key_of(actor.name):
            actor.require_admin()
        if found is None:
            raise AdminNotFoundError
        return found

    async def find_named(self, actor: Actor, name: str) -> Admin:
        """The admin with this name in any letter case. Raises `NotFoundError`."""
        actor.require_admin()
        found = await store.find_by_key(self.pool, key_of(name))
        if found is None:
            raise AdminNotFoundError
        return found

    async def change_role(self, actor: Actor, admin_id: UUID, role: Role) -> Admin:
        """Change the role; it applies to live sessions at once."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            await store.lock(connection)
            admin = await get(connection, admin_id)
            check_version(admin_version(admin))
            await set_role(connection, actor, admin, role)
            return await get(connection, admin_id)

    async def disable(self, actor: Actor, admin_id: UUID) -> Admin:
        """Disable an admin, and end their sessions and the tokens that they created."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            await store.lock(connection)
            admin = await get(connection, admin_id)
            check_version(admin_version(admin))
            if admin.disabled_at is not None:
                return admin
            await keep_one(connection, admin)
            await store.update_enabled(connection, admin_id, enabled=False)
            ended = await sessions.end_all(connection, admin_id)
            revoked = await revoke_of_admin(connection, actor, admin_id)
            await record(
                connection,
                actor,
                "admin.disabled",
                admin_id,
                before={**audited(admin), "sessions": ended, "tokens": revoked},
            )
            return await get(connection, admin_id)

    async def enable(self, actor: Actor, admin_id: UUID) -> Admin:
        """Enable an admin again."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            await store.lock(connection)
            admin = await get(connection, admin_id)
            check_version(admin_version(admin))
            if admin.disabled_at is None:
                return admin
            await store.update_enabled(connection, admin_id, enabled=True)
            await record(connection, actor, "admin.enabled", admin_id, after=audited(admin))
            return await get(connection, admin_id)

    async def set_password(self, actor: Actor, admin_id: UUID, password: str) -> None:
        """Set an admin's password, and end all their sessions."""
        actor.require_admin()
        admin = await get(self.pool, admin_id)
        check_password(password, admin.name)
        await self.keep_password(actor, admin, await self.passwords.hash(password), keep=None)
        await KnownBrowsers(self.pool).forget(admin_id)

    async def change_own_password(
        self,
        actor: Actor,
        admin_id: UUID,
        current: str,
        new: str,
        *,
        keep: UUID | None = None,
    ) -> None:
        """Change one's own password, and end all sessions except `keep`.

        Raises `InvalidError`, `TooManyAttemptsError`.
        """
        admin = await get(self.pool, admin_id)
        if key_of(admin.name) != key_of(actor.name):
            raise AdminNotFoundError
        throttle = Throttle(self.pool)
        counter = f"account {admin.id}"
        await throttle.begin(admin.name, "", counter)
        kept = await store.find_hash(self.pool, admin_id)
        if not await self.passwords.verify(kept, current):
            raise WrongPasswordError(field="current")
        await throttle.succeed(admin.name, "", counter)
        check_password(new, admin.name)
        new_hash = await self.passwords.hash(new)
        await self.keep_password(actor, admin, new_hash, keep=keep, verified=kept)

    async def seed(self, name: str, password: str, *, reset: bool) -> bool:
        """Add the sandbox's own admin, or with `reset` set its password again.

        False if this password does not open the account of that name.
        """
        actor = Actor(SANDBOX, "admin", "system")
        password_hash = await self.passwords.hash(password)
        async with transaction(self.pool) as connection:
            await store.lock(connection)
            found = await store.find_by_key(connection, key_of(name))
            if found is None:
                await add(connection, actor, name=name, role="admin", password_hash=password_hash)
                return True
            if reset and found.created_by == SANDBOX:
                await store.update_hash(connection, found.id, password_hash)
                await store.update_role(connection, found.id, "admin")
                await store.update_enabled(connection, found.id, enabled=True)
                return True
        kept = await store.find_hash(self.pool, found.id)
        return found.disabled_at is None and await self.passwords.verify(kept, password)

    async def keep_password(
        self,
        actor: Actor,
        admin: Admin,
        password_hash: str,
        *,
        keep: UUID | None,
        verified: str | None = None,
    ) -> None:
        """Replace a password; only the one whose hash was `verified`, if given."""
        async with transaction(self.pool) as connection:
            await store.lock(connection)
            check_version(admin_version(await get(connection, admin.id)))
            if verified is not None and await store.find_hash(connection, admin.id) != verified:
                # An admin set another one meanwhile, perhaps to shut out who knows this one.
                raise WrongPasswordError(field="current")
            await store.update_hash(connection, admin.id, password_hash)
            ended = await sessions.end_all(connection, admin.id, but=keep)
            await record(
                connection,
                actor,
                "admin.password_changed",
                admin.id,
                after={"name": admin.name, "sessions_ended": ended},
            )
