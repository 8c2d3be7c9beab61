"""Signing in: who gets in, who guesses, and how long a session lives."""

import asyncio
import hashlib
from datetime import timedelta
from uuid import uuid4

import pytest
from argon2 import PasswordHasher

from service.admin.actor import Actor
from service.admin.people.passwords import Passwords
from service.admin.people.sessions import Sessions
from service.admin.people.sign_in import SignIn
from service.admin.people.throttle import network_of
from service.domain.errors import ForbiddenError, NotFoundError
from service.domain.people import Client, SignInRefusedError, TooManyAttemptsError
from service.store.audit import list_audit
from service.store.pool import Pool
from tests.support.people import (
    CLIENT,
    MAKER,
    PASSWORD,
    add_admin,
    people_on,
    quick_passwords,
    sign_in,
)


@pytest.fixture
async def quick(pool: Pool) -> SignIn:
    """Signing in Ada."""
    await add_admin(pool)
    return SignIn(pool, quick_passwords())


async def age(pool: Pool, seconds: float) -> None:
    """Let every failure be older."""
    await pool.execute(
        "UPDATE callgate.sign_in_failures SET at = at - $1::interval", timedelta(seconds=seconds)
    )


async def guess(sign_in: SignIn, name: str = "Ada", client: Client = CLIENT) -> int:
    """A wrong attempt: 0 if it was judged, else the seconds to wait."""
    try:
        await sign_in.sign_in(name, "a wrong password", client)
    except SignInRefusedError:
        return 0
    except TooManyAttemptsError as exc:
        return exc.retry_after
    raise AssertionError("the wrong password let in")


async def test_a_password_lets_in_whatever_the_letter_case_of_the_name(pool: Pool) -> None:
    await add_admin(pool)
    token = await sign_in(pool, " aDA ")
    session = await Sessions(pool).find(token)
    assert session is not None
    assert (session.name, session.user_agent) == ("Ada", CLIENT.user_agent)
    assert session.expires_at - session.last_seen_at == timedelta(hours=12)
    kept = await pool.fetchrow("SELECT * FROM callgate.sessions")
    assert kept is not None
    assert kept["token_hash"] == hashlib.sha256(token.encode()).digest()
    assert token not in str(await list_audit(pool, limit=10))
    (ada,) = await people_on(pool).list_page(MAKER, after=None, limit=5)
    assert ada.last_sign_in_at is not None


async def test_nobody_learns_which_of_both_was_wrong(pool: Pool) -> None:
    await add_admin(pool)
    said = []
    for name, password in (("Ada", "wrong password"), ("Nobody", PASSWORD), ("", ""), ("Ada", "")):
        with pytest.raises(SignInRefusedError) as caught:
            await SignIn(pool).sign_in(name, password, CLIENT)
        said.append((caught.value.message, caught.value.facts))
    assert said == [said[0]] * 4
    assert await pool.fetchval("SELECT count(*) FROM callgate.sessions") == 0


async def test_guessing_costs_more_and_more_time(pool: Pool, quick: SignIn) -> None:
    assert [await guess(quick) for _ in range(5)] == [0] * 5
    waits = []
    for _ in range(4):
        wait = await guess(quick)
        waits.append(wait)
        await age(pool, wait - 2)
        assert await guess(quick) > 0
        await age(pool, 3)
        assert await guess(quick) == 0
    assert waits == [30, 60, 120, 240]


async def test_the_right_password_waits_too_and_then_resets(pool: Pool, quick: SignIn) -> None:
    for _ in range(5):
        await guess(quick)
    with pytest.raises(TooManyAttemptsError) as caught:
        await quick.sign_in("Ada", PASSWORD, CLIENT)
    assert caught.value.retry_after <= 30
    await age(pool, 31)
    assert await quick.sign_in("Ada", PASSWORD, CLIENT)
    assert await pool.fetchval("SELECT count(*) FROM callgate.sign_in_failures") == 0
    assert await guess(quick) == 0


async def test_many_guesses_at_once_do_not_slip_through(quick: SignIn) -> None:
    found = await asyncio.gather(*(guess(quick) for _ in range(20)))
    assert len([wait for wait in found if wait == 0]) == 5


async def test_a_name_is_guarded_against_many_addresses(quick: SignIn) -> None:
    found = [await guess(quick, client=Client(f"192.0.2.{n}", "")) for n in range(21)]
    assert (found[:20], found[20] > 0) == ([0] * 20, True)
    assert await guess(quick, name="Bob", client=Client("192.0.2.200", "")) == 0


async def test_an_address_is_guarded_against_many_names(quick: SignIn) -> None:
    found = [await guess(quick, name=f"n{n}") for n in range(51)]
    assert (found[:50], found[50] > 0) == ([0] * 50, True)


async def test_another_replica_knows_and_old_failures_are_forgotten(
    pool: Pool, quick: SignIn
) -> None:
    for _ in range(5):
        await guess(quick)
    assert await guess(SignIn(pool, quick_passwords())) > 0
    await age(pool, 901)
    assert await guess(quick) == 0
    assert await pool.fetchval("SELECT count(*) FROM callgate.sign_in_failures") == 1


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("no address", "no address"),
    ],
)
def test_whom_an_address_counts_for(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_a_hash_of_other_days_is_made_anew(pool: Pool, quick: SignIn) -> None:
    strong = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    before = await pool.fetchval("SELECT password_hash FROM callgate.admins")
    assert await SignIn(pool, strong).sign_in("Ada", PASSWORD, CLIENT)
    after = await pool.fetchval("SELECT password_hash FROM callgate.admins")
    assert before != after
    assert ",t=2," in after
    assert await SignIn(pool, strong).sign_in("Ada", PASSWORD, CLIENT)
    assert await pool.fetchval("SELECT password_hash FROM callgate.admins") == after


@pytest.mark.parametrize(
    ("column", "alive", "dead"),
    [
        ("last_seen_at", timedelta(hours=11, minutes=59), timedelta(hours=12, seconds=1)),
        ("created_at", timedelta(days=13, hours=23), timedelta(days=14, seconds=1)),
    ],
)
async def test_a_session_ends_by_itself(
    pool: Pool, quick: SignIn, column: str, alive: timedelta, dead: timedelta
) -> None:
    sessions = Sessions(pool)
    token = await quick.sign_in("Ada", PASSWORD, CLIENT)
    make_older = f"UPDATE callgate.sessions SET {column} = now() - $1::interval"
    await pool.execute(make_older, alive)
    assert await sessions.find(token) is not None
    await pool.execute(make_older, dead)
    assert await sessions.find(token) is None
    # The next sign-in sweeps it out.
    await quick.sign_in("Ada", PASSWORD, CLIENT)
    assert await pool.fetchval("SELECT count(*) FROM callgate.sessions") == 1


async def test_being_seen_is_noted_at_most_once_a_minute(pool: Pool, quick: SignIn) -> None:
    sessions = Sessions(pool)
    token = await quick.sign_in("Ada", PASSWORD, CLIENT)
    seen = "SELECT last_seen_at FROM callgate.sessions"
    before = await pool.fetchval(seen)
    await sessions.find(token)
    assert await pool.fetchval(seen) == before
    await pool.execute("UPDATE callgate.sessions SET last_seen_at = now() - interval '2 minutes'")
    await sessions.find(token)
    assert await pool.fetchval(seen) >= before


async def test_what_is_no_token_of_ours_is_nobody(pool: Pool) -> None:
    for token in ("", "x", "x" * 100_000, "\u202e", "\ud800"):
        assert await Sessions(pool).find(token) is None


async def test_sessions_are_seen_and_revoked(pool: Pool, quick: SignIn) -> None:
    sessions = Sessions(pool)
    people = people_on(pool)
    vic = await people.create(MAKER, name="Vic", role="viewer", password=PASSWORD)
    mine, other = Actor("Vic", "viewer", "web"), Actor("Bob", "viewer", "web")
    tokens = [await quick.sign_in("Vic", PASSWORD, CLIENT) for _ in range(3)]
    found = await sessions.list_of(mine, vic.id)
    assert len(found) == 3
    with pytest.raises(ForbiddenError):
        await sessions.list_of(other, vic.id)
    with pytest.raises(ForbiddenError):
        await sessions.revoke(other, found[0].id, own_admin_id=uuid4())
    await sessions.revoke(mine, found[0].id, own_admin_id=vic.id)
    with pytest.raises(NotFoundError):
        await sessions.revoke(MAKER, found[0].id, own_admin_id=None)
    assert len(await sessions.list_of(MAKER, vic.id)) == 2
    alive = [session for token in tokens if (session := await sessions.find(token))]
    await sessions.end(alive[0], mine)
    assert await sessions.revoke_all(MAKER, vic.id, own_admin_id=None) == 1
    assert [await sessions.find(token) for token in tokens] == [None] * 3
    done = [entry.action for entry in await list_audit(pool, limit=3)]
    assert done == ["admin.sessions_revoked", "session.ended", "session.revoked"]


async def test_a_notice_waits_for_the_next_page(pool: Pool, quick: SignIn) -> None:
    sessions = Sessions(pool)
    token = await quick.sign_in("Ada", PASSWORD, CLIENT)
    session = await sessions.find(token)
    assert session is not None
    assert session.notice is None
    await sessions.leave_notice(session.id, {"text": "Saved.", "undo": 7})
    found = await sessions.find(token)
    assert found is not None
    assert found.notice == {"text": "Saved.", "undo": 7}
    await sessions.take_notice(session.id)
    found = await sessions.find(token)
    assert found is not None
    assert found.notice is None
