"""A POST with an `Idempotency-Key` is carried out once and answered alike, whatever happens."""

import asyncio
import time
from typing import Any
from uuid import uuid4

import pytest

from service.admin.actor import Actor
from service.admin.changes import transaction
from service.admin.errors import IdempotencyInProgressError
from service.sandbox.server import SandboxVapi
from service.store.idempotency_keys import KeptAnswer
from service.store.limits import REQUEST_SECONDS, waiting_at_most
from tests.support.api import ApiClient
from tests.support.replies import Reply
from tests.support.service import Start
from tests.support.settings import TOKEN

BODY = {"name": "Bakery"}


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def post(api: ApiClient, key: str, path: str = "/organizations", body: Any = BODY) -> Reply:
    return await api.ask("POST", path, body, headers=keyed(key))


async def count(api: ApiClient) -> int:
    return len((await api.get("/organizations"))["items"])


async def test_the_first_answer_comes_again(api: ApiClient) -> None:
    first, again = await post(api, "k-1"), await post(api, "k-1")
    assert (first.status, first.headers.get("Idempotency-Replayed")) == (201, None)
    assert (again.status, again.json) == (201, first.json)
    assert again.headers["Idempotency-Replayed"] == "true"
    for name in ("Location", "Content-Type", "Cache-Control"):
        assert again.headers[name] == first.headers[name]
    assert await count(api) == 1
    assert (await post(api, "k-2")).json["id"] != first.json["id"]
    assert len(await api.audit(first.json["id"])) == 1


async def test_another_request_under_the_same_key_is_refused(api: ApiClient) -> None:
    await post(api, "k-1")
    for path, body in (
        ("/organizations", {"name": "Florist"}),
        ("/organizations?x=1", BODY),
        ("/reconcile", BODY),
    ):
        reply = await post(api, "k-1", path, body)
        assert (reply.status, reply.json["code"]) == (409, "idempotency_key_reused")
    assert await count(api) == 1


async def test_a_refusal_comes_again_too(api: ApiClient) -> None:
    number = {"organization_id": str(uuid4()), "vapi_phone_number_id": str(uuid4())}
    first = await post(api, "k-1", "/phone-numbers", number)
    again = await post(api, "k-1", "/phone-numbers", number)
    assert (first.status, again.status, again.json) == (422, 422, first.json)
    assert again.headers["Content-Type"] == "application/problem+json"
    bad = await post(api, "k-2", body={"nme": "Bakery"})
    assert (bad.status, (await post(api, "k-2", body={"nme": "Bakery"})).json) == (422, bad.json)


async def add_number(api: ApiClient, vapi: SandboxVapi) -> None:
    owner = await api.organization()
    body = {
        "organization_id": owner["id"],
        "vapi_phone_number_id": vapi.add_number(provider="vapi")["id"],
    }
    assert (await api.ask("POST", "/phone-numbers", body)).status == 201


async def test_a_failure_after_a_change_comes_again(api: ApiClient, vapi: SandboxVapi) -> None:
    await add_number(api, vapi)
    vapi.fail("GET *", status=503)
    first, again = [await post(api, "k-1", "/reconcile", {}) for _ in range(2)]
    assert (first.status, first.json["code"]) == (503, "vapi_unavailable")
    assert (again.status, again.json) == (503, first.json)
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_a_failure_that_changed_nothing_frees_the_key(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    await add_number(api, vapi)
    vapi.fail("GET *", status=503)
    dry = {"dry_run": True}
    assert (await post(api, "k-1", "/reconcile", dry)).status == 503
    vapi.faults.clear()
    assert (await post(api, "k-1", "/reconcile", dry)).status == 200


async def test_keys_belong_to_their_token(api: ApiClient) -> None:
    other = await api.as_role("admin")
    first, theirs = await post(api, "k-1"), await post(other, "k-1", body={"name": "Florist"})
    assert (first.status, theirs.status) == (201, 201)
    assert (await post(other, "k-1", body={"name": "Florist"})).json["id"] == theirs.json["id"]


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256])
async def test_a_malformed_key_is_refused_and_nothing_is_done(api: ApiClient, key: str) -> None:
    reply = await post(api, key)
    assert (reply.status, reply.json["code"]) == (400, "invalid_idempotency_key")
    assert await count(api) == 0
    assert (await post(api, "x" * 255)).status == 201


async def test_only_posts_have_keys(api: ApiClient) -> None:
    made = (await post(api, "k-1")).json
    for name in ("Florist", "Baker"):
        reply = await api.ask(
            "PATCH", f"/organizations/{made['id']}", {"name": name}, headers=keyed("k-1")
        )
        assert (reply.status, reply.json["name"]) == (200, name)


async def test_a_secret_comes_again_and_is_stored_encrypted(api: ApiClient) -> None:
    body = {"name": "ci", "role": "viewer"}
    first, again = [await post(api, "k-1", "/tokens", body) for _ in range(2)]
    assert again.json["token"] == first.json["token"]
    stored = await api.service.pool.fetchval("SELECT body FROM callgate.idempotency_keys")
    assert first.json["token"] not in stored
    assert stored.startswith("sealed.")


async def test_after_a_day_the_key_is_free(api: ApiClient) -> None:
    await post(api, "k-1")
    await api.service.pool.execute(
        "UPDATE callgate.idempotency_keys SET created_at = now() - interval '25 hours'"
    )
    assert (await post(api, "k-1", body={"name": "Florist"})).status == 201
    assert await count(api) == 2


async def test_a_burst_over_two_replicas_makes_one_object(start_replica: Start) -> None:
    one, two = await start_replica(), await start_replica()

    async def ask(index: int) -> Reply:
        replica = (one, two)[index % 2]
        async with replica.session.post(
            f"{replica.url}/api/v1/organizations",
            json=BODY,
            headers={"Authorization": f"Bearer {TOKEN}", **keyed("k-1")},
        ) as response:
            return await Reply.read(response)

    replies = await asyncio.gather(*(ask(index) for index in range(24)))
    waiting = [reply for reply in replies if reply.status != 201]
    assert {reply.json["code"] for reply in waiting} <= {"idempotency_in_progress"}
    assert all(reply.headers["Retry-After"] == "1" for reply in waiting)
    last = await ask(1)
    assert {reply.json["id"] for reply in replies if reply.status == 201} == {last.json["id"]}
    found = await one.api("GET", "/organizations")
    assert len(found.json["items"]) == 1


SLOWEST_ANSWER = 4.0
"""Three seconds, and one for a loaded machine."""


async def test_a_failure_by_the_allowance_of_the_request_frees_the_key(api: ApiClient) -> None:
    async with api.service.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE callgate.organizations IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        refused = await post(api, "k-1")
        took = time.monotonic() - began
        assert (refused.status, refused.code) == (503, "unavailable")
        assert REQUEST_SECONDS < took < SLOWEST_ANSWER
    again = await post(api, "k-1")
    assert (again.status, again.headers.get("Idempotency-Replayed")) == (201, None)
    assert await count(api) == 1


async def test_a_change_that_used_up_the_allowance_keeps_its_answer(api: ApiClient) -> None:
    use_cases, pool = api.service.use_cases, api.service.pool
    keys = use_cases.idempotency
    allowed = 1.0
    with waiting_at_most(allowed):
        async with keys.running(ACTOR, "k-9", b"d", seconds=30, is_secret=False) as run:
            await use_cases.organizations.create(ACTOR, {**BLANK, "name": "Bakery"})
            with pytest.raises(TimeoutError):
                await pool.execute("SELECT pg_sleep($1)", 2 * allowed)
            run.answer = KeptAnswer(201, {}, "made")
    async with keys.running(ACTOR, "k-9", b"d", seconds=30, is_secret=False) as run:
        assert run.earlier == KeptAnswer(201, {}, "made")


async def test_an_answer_that_could_not_be_kept_in_time_is_kept_beside(api: ApiClient) -> None:
    use_cases, pool = api.service.use_cases, api.service.pool
    keys = use_cases.idempotency
    async with pool.acquire() as other, other.transaction():
        with waiting_at_most(0.5):
            async with keys.running(ACTOR, "k-9", b"d", seconds=30, is_secret=False) as run:
                await use_cases.organizations.create(ACTOR, {**BLANK, "name": "Bakery"})
                await other.execute("SELECT 1 FROM callgate.idempotency_keys FOR UPDATE")
                run.answer = KeptAnswer(201, {}, "made")
    assert len(keys.ending) == 1
    await asyncio.gather(*keys.ending)
    async with keys.running(ACTOR, "k-9", b"d", seconds=30, is_secret=False) as run:
        assert run.earlier == KeptAnswer(201, {}, "made")


ACTOR = Actor("admin-token", "admin", "api")


async def begin(api: ApiClient, *, change: bool) -> None:
    """A run that a killed replica leaves behind: the claim, and perhaps its committed change."""
    use_cases, pool = api.service.use_cases, api.service.pool
    digest = b"d"
    async with use_cases.idempotency.running(
        ACTOR, "k-9", digest, seconds=0, is_secret=False
    ) as run:
        assert run.held is not None
        if change:
            await use_cases.organizations.create(ACTOR, {**BLANK, "name": "Bakery"})
        run.held = None
        # Killed: neither the answer nor the end of the run is recorded.
        await pool.execute(
            "UPDATE callgate.idempotency_keys SET claim = claim, claimed_until = now()"
        )
        raise KilledError


class KilledError(Exception):
    """The process ends here."""


BLANK: dict[str, Any] = {
    "external_id": None, "blocked_message": None, "forward_url": None, "attributes": {},
    "assistant_ids": [],
}  # fmt: skip


async def test_a_replica_that_dies_after_its_change_leaves_no_second_object(
    api: ApiClient,
) -> None:
    with pytest.raises(KilledError):
        await begin(api, change=True)
    state = await api.service.pool.fetchrow(
        "SELECT applied_at, status FROM callgate.idempotency_keys"
    )
    assert state is not None
    assert state["applied_at"] is not None
    assert state["status"] is None
    keys = api.service.use_cases.idempotency
    with pytest.raises(Exception, match="its answer was lost"):
        async with keys.running(ACTOR, "k-9", b"d", seconds=0, is_secret=False):
            pass
    assert await count(api) == 1


async def test_a_run_that_lost_its_key_changes_nothing(api: ApiClient) -> None:
    use_cases, pool = api.service.use_cases, api.service.pool
    keys = use_cases.idempotency
    async with keys.running(ACTOR, "k-9", b"d", seconds=0, is_secret=False):
        await pool.execute(
            "UPDATE callgate.idempotency_keys SET claimed_until = now() - interval '1 minute'"
        )
        # Another replica takes over while this one is late.
        await asyncio.create_task(take_over(api))
        with pytest.raises(IdempotencyInProgressError):
            async with transaction(pool):
                pytest.fail("the late run got a transaction")


async def take_over(api: ApiClient) -> None:
    pool = api.service.pool
    assert await pool.execute("UPDATE callgate.idempotency_keys SET claim = claim + 1")
