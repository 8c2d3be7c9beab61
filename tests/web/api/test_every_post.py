"""Every POST of the document under an `Idempotency-Key`; a new one is tested without being named."""

import asyncio
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.api_objects import ApiObjects, DocumentedOperation, read_operations
from tests.support.replies import Reply
from tests.support.service import Replica, Start, eventually
from tests.support.settings import TOKEN

KEPT = ("Content-Type", "Location", "ETag", "Cache-Control")
FEW = 6
"""Fewer than a pool has connections, so that the end of a request finds one."""
LOCK = "LOCK TABLE callgate.audit IN ACCESS EXCLUSIVE MODE"


async def post(replica: Replica, path: str, body: Any, key: str) -> Reply:
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": key}
    async with replica.session.post(
        f"{replica.url}/api/v1{path}", json=body, headers=headers
    ) as response:
        return await Reply.read(response)


@pytest.fixture
async def replicas(start_replica: Start) -> tuple[Replica, Replica]:
    return await start_replica(), await start_replica()


async def prepare(
    replica: Replica, objects: ApiObjects
) -> list[tuple[DocumentedOperation, str, Any]]:
    """Each operation with an address and a body with which it can be carried out once."""
    found = []
    for operation in await read_operations(replica, "POST"):
        address = await objects.address(operation)
        found.append((operation, address, await objects.body(operation, address)))
    assert len(found) > 15
    return found


async def test_the_same_key_gets_the_same_answer_at_every_replica(
    replicas: tuple[Replica, Replica], vapi: SandboxVapi, pool: Pool
) -> None:
    one, two = replicas
    for operation, path, body in await prepare(one, ApiObjects(one, vapi, pool)):
        first = await post(one, path, body, operation.name)
        assert first.status == 200 + (first.status == 201), (operation.name, first.json)
        assert "Idempotency-Replayed" not in first.headers
        for replica in (two, one):
            again = await post(replica, path, body, operation.name)
            assert (again.status, again.body) == (first.status, first.body), operation.name
            assert again.headers["Idempotency-Replayed"] == "true", operation.name
            for name in KEPT:
                assert again.headers.get(name) == first.headers.get(name), (operation.name, name)
        for other in ({"other": True}, None if body else {}):
            reused = await post(two, path, other, operation.name)
            assert (reused.status, reused.code) == (409, "idempotency_key_reused"), operation.name


async def test_a_key_is_free_after_a_failure_that_changed_nothing(
    replicas: tuple[Replica, Replica], vapi: SandboxVapi, pool: Pool
) -> None:
    one, two = replicas
    prepared = await prepare(one, ApiObjects(one, vapi, pool))

    few = asyncio.Semaphore(FEW)

    async def send_one(name: str, path: str, body: Any) -> Reply:
        async with few:
            return await post(one, path, body, f"k-{name}")

    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(LOCK)
        refused = await asyncio.gather(
            *(send_one(made.name, path, body) for made, path, body in prepared)
        )
    assert {reply.status for reply in refused} <= {200, 201, 503}
    failed = [reply.status == 503 for reply in refused]
    assert sum(failed) > 8, [made[0].name for made in prepared]
    for has_failed, (made, path, body) in zip(failed, prepared, strict=True):

        async def again(name: str = made.name, path: str = path, body: Any = body) -> Reply | None:
            """An abandoned transaction may hold the key until PostgreSQL ends it."""
            reply = await post(two, path, body, f"k-{name}")
            return reply if reply.status < 400 else None

        reply = await eventually(again)
        assert ("Idempotency-Replayed" in reply.headers) != has_failed, made.name
