"""Admins: the first one, the last one, names, passwords, and what ends their sessions."""

import asyncio
from dataclasses import replace

import pytest

from service.admin.actor import Actor
from service.admin.people.passwords import UNKNOWN_HASH, Passwords
from service.admin.people.sessions import Sessions
from service.domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from service.domain.people import Role, SignInRefusedError, TooManyAttemptsError
from service.domain.wording.audit import describe_change
from service.store.audit import list_audit
from service.store.pool import Pool
from tests.support.people import (
    CLIENT,
    HASHER,
    MAKER,
    PASSWORD,
    UNKNOWN,
    add_admin,
    people_on,
    sign_in,
)

CODE = "the-token-of-the-environment"


async def actions(pool: Pool) -> list[tuple[str, str]]:
    """Who did what, oldest first; and no password in any of it."""
    entries = await list_audit(pool, limit=100)
    assert PASSWORD not in str(entries)
    return [(entry.actor, entry.action) for entry in reversed(entries)]


async def test_the_first_admin_is_made_with_the_token_of_the_environment(pool: Pool) -> None:
    people = people_on(pool, CODE)
    assert await people.is_first_run()
    token = await people.create_first(name=" Ada ", password=PASSWORD, code=CODE, client=CLIENT)
    assert not await people.is_first_run()
    session = await Sessions(pool).find(token)
    assert session is not None
    assert (session.name, session.role, session.address) == ("Ada", "admin", CLIENT.address)
    assert await actions(pool) == [("Ada", "admin.created"), ("Ada", "session.started")]
    with pytest.raises(ConflictError) as caught:
        await people.create_first(name="Eve", password=PASSWORD, code=CODE, client=CLIENT)
    assert caught.value.code == "already_set_up"


async def test_each_replica_has_a_code_and_all_are_gone_with_the_first_admin(pool: Pool) -> None:
    people = people_on(pool)
    codes = [await people.issue_setup_code() for _ in range(3)]
    assert codes[1] is not None
    await people.create_first(name="Ada", password=PASSWORD, code=codes[1], client=CLIENT)
    assert await pool.fetchval("SELECT count(*) FROM callgate.setup_codes") == 0
    assert await people.issue_setup_code() is None


async def test_of_many_first_admins_at_once_one_wins(pool: Pool) -> None:
    async def attempt(name: str) -> str:
        return await people_on(pool, CODE).create_first(
            name=name, password=PASSWORD, code=CODE, client=CLIENT
        )

    found = await asyncio.gather(*(attempt(f"a{n}") for n in range(4)), return_exceptions=True)
    assert len([one for one in found if isinstance(one, str)]) == 1
    assert len([one for one in found if isinstance(one, ConflictError)]) == 3
    assert await pool.fetchval("SELECT count(*) FROM callgate.admins") == 1


@pytest.mark.parametrize("setup_token", ["", CODE])
async def test_without_the_code_nobody_becomes_the_first(pool: Pool, setup_token: str) -> None:
    people = people_on(pool, setup_token)
    for code in ("", "guess", CODE + "x"):
        with pytest.raises(SignInRefusedError):
            await people.create_first(name="Eve", password=PASSWORD, code=code, client=CLIENT)
    for _ in range(2):
        with pytest.raises(SignInRefusedError):
            await people.create_first(name="Eve", password=PASSWORD, code="", client=CLIENT)
    with pytest.raises(TooManyAttemptsError):
        await people.create_first(name="Eve", password=PASSWORD, code="", client=CLIENT)
    assert await people.is_first_run()


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("", PASSWORD),
        ("   ", PASSWORD),
        ("x" * 101, PASSWORD),
        ("Ada\u202e", PASSWORD),
        ("token:ci", PASSWORD),
        ("Admin-Token", PASSWORD),
        ("Ada", "short"),
        ("Ada", "x" * 257),
        ("Ada Lovelace 1815", "ADA LOVELACE 1815"),
    ],
)
async def test_a_name_or_password_that_will_not_do(pool: Pool, name: str, password: str) -> None:
    with pytest.raises(InvalidError):
        await people_on(pool).create(MAKER, name=name, role="viewer", password=password)
    assert await pool.fetchval("SELECT count(*) FROM callgate.admins") == 0


async def test_a_name_is_taken_in_any_letter_case_and_spelling(pool: Pool) -> None:
    await add_admin(pool, "Zoë Straße")
    for name in ("zoe\u0308 strasse", "ZOË STRASSE"):
        with pytest.raises(ConflictError) as caught:
            await add_admin(pool, name)
        assert caught.value.code == "name_taken"


async def test_only_admins_change_people(pool: Pool) -> None:
    people = people_on(pool)
    ada = await add_admin(pool)
    before = await actions(pool)
    roles: tuple[Role, ...] = ("viewer", "support")
    for role in roles:
        actor = Actor("Bob", role, "web")
        for attempt in (
            people.create(actor, name="Eve", role="admin", password=PASSWORD),
            people.list_page(actor, after=None, limit=10),
            people.get(actor, ada.id),
            people.change_role(actor, ada.id, "viewer"),
            people.disable(actor, ada.id),
            people.enable(actor, ada.id),
            people.set_password(actor, ada.id, PASSWORD),
            Sessions(pool).list_of(actor, ada.id),
        ):
            with pytest.raises(ForbiddenError):
                await attempt
        with pytest.raises(NotFoundError):
            await people.change_own_password(actor, ada.id, PASSWORD, "another password")
    assert await actions(pool) == before


async def test_the_last_admin_stays(pool: Pool) -> None:
    people = people_on(pool)
    ada = await add_admin(pool)
    await add_admin(pool, "Vic", "viewer")
    for attempt in (people.disable(MAKER, ada.id), people.change_role(MAKER, ada.id, "support")):
        with pytest.raises(ConflictError) as caught:
            await attempt
        assert caught.value.code == "last_admin"
    bob = await add_admin(pool, "Bob")
    await people.disable(MAKER, bob.id)
    with pytest.raises(ConflictError):
        await people.disable(MAKER, ada.id)
    await people.enable(MAKER, bob.id)
    assert (await people.disable(MAKER, ada.id)).disabled_at is not None


async def test_two_last_admins_do_not_disable_each_other_at_once(pool: Pool) -> None:
    people = people_on(pool)
    for turn in range(5):
        ada, bob = await add_admin(pool, f"a{turn}"), await add_admin(pool, f"b{turn}")
        left = "SELECT count(*) FROM callgate.admins WHERE role = 'admin' AND disabled_at IS NULL"
        await pool.execute(
            "UPDATE callgate.admins SET disabled_at = now() WHERE id <> ALL($1)", [ada.id, bob.id]
        )
        found = await asyncio.gather(
            people.disable(MAKER, ada.id),
            people.change_role(MAKER, bob.id, "viewer"),
            return_exceptions=True,
        )
        assert len([one for one in found if isinstance(one, ConflictError)]) == 1
        assert await pool.fetchval(left) == 1


async def test_a_new_role_counts_at_once_in_sessions_that_run(pool: Pool) -> None:
    await add_admin(pool)
    bob = await add_admin(pool, "Bob")
    token = await sign_in(pool, "bob")
    await people_on(pool).change_role(MAKER, bob.id, "viewer")
    session = await Sessions(pool).find(token)
    assert session is not None
    assert session.role == "viewer"


async def test_disabling_ends_all_sessions_and_keeps_out(pool: Pool) -> None:
    await add_admin(pool)
    bob = await add_admin(pool, "Bob")
    tokens = [await sign_in(pool, "Bob") for _ in range(2)]
    await people_on(pool).disable(MAKER, bob.id)
    assert [await Sessions(pool).find(token) for token in tokens] == [None, None]
    with pytest.raises(SignInRefusedError):
        await sign_in(pool, "Bob")
    await people_on(pool).enable(MAKER, bob.id)
    assert [await Sessions(pool).find(token) for token in tokens] == [None, None]
    assert await sign_in(pool, "Bob")


async def test_a_changed_password_ends_the_other_sessions(pool: Pool) -> None:
    people, sessions = people_on(pool), Sessions(pool)
    ada = await add_admin(pool)
    here, there = await sign_in(pool), await sign_in(pool)
    own = await sessions.find(here)
    assert own is not None
    actor = Actor("Ada", "admin", "web")
    with pytest.raises(InvalidError) as caught:
        await people.change_own_password(actor, ada.id, "wrong", "another password")
    assert caught.value.code == "wrong_password"
    await people.change_own_password(actor, ada.id, PASSWORD, "another password", keep=own.id)
    assert await sessions.find(here) is not None
    assert await sessions.find(there) is None
    with pytest.raises(SignInRefusedError):
        await sign_in(pool)
    await people.set_password(MAKER, ada.id, PASSWORD)
    assert await sessions.find(here) is None
    assert await sign_in(pool)
    assert "another password" not in str(await list_audit(pool, limit=100))


async def test_a_password_that_is_set_meanwhile_is_not_overwritten(pool: Pool) -> None:
    """A thief knows the password, and asks for another one just before an admin sets one."""
    ada = await add_admin(pool)

    class Overtaken(Passwords):
        async def hash(self, password: str) -> str:
            await people_on(pool).set_password(MAKER, ada.id, "the admin's choice")
            return await Passwords.hash(self, password)

    thief = replace(people_on(pool), passwords=Overtaken(HASHER, UNKNOWN))
    with pytest.raises(InvalidError) as caught:
        await thief.change_own_password(
            Actor("Ada", "admin", "web"), ada.id, PASSWORD, "the thief's choice"
        )
    assert caught.value.code == "wrong_password"
    kept = await pool.fetchval("SELECT password_hash FROM callgate.admins WHERE name = 'Ada'")
    assert await Passwords(HASHER, UNKNOWN).verify(kept, "the admin's choice")


async def test_admins_come_in_pages_by_name(pool: Pool) -> None:
    for name in ("eve", "Ada", "Bob", "Çelik", "dora"):
        await add_admin(pool, name)
    people, found = people_on(pool), []
    after = None
    while page := await people.list_page(MAKER, after=after, limit=2):
        found += [admin.name for admin in page]
        after = page[-1].id
    # Where the last one stands is a matter of the database's collation.
    assert [name for name in found if name != "Çelik"] == ["Ada", "Bob", "dora", "eve"]
    assert len(found) == 5


def test_what_is_verified_for_nobody_takes_as_long_as_todays_hashes() -> None:
    assert not Passwords().is_outdated(UNKNOWN_HASH)


async def test_the_audit_tells_what_was_done_to_people(pool: Pool) -> None:
    people, ada = people_on(pool), await add_admin(pool)
    bob = await add_admin(pool, "Bob")
    await people.change_role(MAKER, bob.id, "viewer")
    await people.set_password(MAKER, bob.id, PASSWORD)
    await sign_in(pool, "Bob")
    await Sessions(pool).revoke_all(MAKER, bob.id, own_admin_id=ada.id)
    await people.disable(MAKER, bob.id)
    told = [describe_change(entry, {}).sentence for entry in await list_audit(pool, limit=6)]
    assert told == [
        "Disabled the admin Bob.",
        "Ended all sessions of Bob.",
        f"Signed in from {CLIENT.address}.",
        "Changed the password of Bob.",
        "Changed the role of Bob from admin to viewer.",
        "Added the admin Bob.",
    ]
