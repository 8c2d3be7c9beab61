"""Every operation of the document that changes an object, with `If-Match`: a new one is tested without
being named."""

from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.api_objects import ApiObjects, DocumentedOperation, read_operations
from tests.support.replies import Reply
from tests.support.service import Replica
from tests.support.settings import TOKEN

CHANGES = ("PUT", "PATCH", "DELETE")


@pytest.fixture
def objects(callgate: Replica, vapi: SandboxVapi, pool: Pool) -> ApiObjects:
    return ApiObjects(callgate, vapi, pool)


async def ask(
    replica: Replica, method: str, path: str, body: Any = None, tag: str | None = None
) -> Reply:
    headers = {"Authorization": f"Bearer {TOKEN}"} | ({} if tag is None else {"If-Match": tag})
    async with replica.session.request(
        method, f"{replica.url}/api/v1{path}", json=body, headers=headers
    ) as response:
        return await Reply.read(response)


def takes_if_match(operation: DocumentedOperation) -> bool:
    return "If-Match" in {one["name"] for one in operation.described["parameters"]}


async def read_tag(replica: Replica, address: str) -> str:
    """The ETag of the object that a change is about: its own, else the next one above it."""
    if address.startswith("/unknown-numbers/"):
        return (await ask(replica, "PUT", address)).headers["ETag"]
    while address:
        reply = await ask(replica, "GET", address)
        if reply.status == 200 and "ETag" in reply.headers:
            return reply.headers["ETag"]
        address = address.rpartition("/")[0]
    raise AssertionError("The object has no ETag to read.")


async def test_every_change_takes_if_match_and_so_does_every_post_on_an_object(
    callgate: Replica,
) -> None:
    tagged = {
        operation.path
        for operation in await read_operations(callgate, "GET")
        if "ETag" in operation.described["responses"]["200"].get("headers", {})
    }
    for operation in await read_operations(callgate, *CHANGES, "POST"):
        about = operation.path[: operation.path.rfind("}") + 1]
        expected = operation.method in CHANGES or about in tagged
        assert takes_if_match(operation) == expected, operation.name
        assert ("412" in operation.described["responses"]) == expected, operation.name


async def test_the_document_says_which_answers_have_an_etag(
    callgate: Replica, objects: ApiObjects
) -> None:
    for operation in await read_operations(callgate, "GET", *CHANGES, "POST"):
        if "{call_id}" in operation.path:
            continue
        address = await objects.address(operation)
        reply = await ask(
            callgate, operation.method, address, await objects.body(operation, address)
        )
        assert reply.status < 300, (operation.name, reply.json)
        described = operation.described["responses"][str(reply.status)].get("headers", {})
        assert ("ETag" in reply.headers) == ("ETag" in described), operation.name


async def test_another_version_changes_nothing(callgate: Replica, objects: ApiObjects) -> None:
    for operation in await read_operations(callgate, *CHANGES, "POST"):
        if not takes_if_match(operation):
            continue
        address = await objects.address(operation)
        body = await objects.body(operation, address)
        audit = (await ask(callgate, "GET", "/audit")).body
        reply = await ask(callgate, operation.method, address, body, '"0"')
        assert (reply.status, reply.code) == (412, "precondition_failed"), operation.name
        assert (await ask(callgate, "GET", "/audit")).body == audit, operation.name


async def test_the_version_that_was_read_is_changed_once(
    callgate: Replica, objects: ApiObjects
) -> None:
    for operation in await read_operations(callgate, *CHANGES, "POST"):
        # A token cannot be read again: its ETag is that of its creation.
        if not takes_if_match(operation) or operation.name == "revoke_token":
            continue
        address = await objects.address(operation)
        body = await objects.body(operation, address)
        tag = await read_tag(callgate, address)
        reply = await ask(callgate, operation.method, address, body, tag)
        assert reply.status < 300, (operation.name, reply.json)
        if reply.headers.get("ETag", tag) != tag:
            late = await ask(callgate, operation.method, address, body, tag)
            assert (late.status, late.code) == (412, "precondition_failed"), operation.name


async def test_a_token_is_revoked_in_the_version_of_its_creation(callgate: Replica) -> None:
    made = await ask(callgate, "POST", "/tokens", {"name": "billing", "role": "viewer"})
    path, tag = f"/tokens/{made.json['id']}", made.headers["ETag"]
    assert (await ask(callgate, "DELETE", path, tag='"0"')).status == 412
    assert (await ask(callgate, "DELETE", path, tag=tag)).status == 204


async def test_of_two_who_pause_all_repairs_the_second_learns_of_the_first(
    callgate: Replica,
) -> None:
    tag = (await ask(callgate, "GET", "/reconcile")).headers["ETag"]
    first = await ask(callgate, "PUT", "/reconcile/pause", {"reason": "moving"}, tag)
    assert (first.status, first.json["pause"]["reason"]) == (200, "moving")
    late = await ask(callgate, "PUT", "/reconcile/pause", {"reason": "mine"}, tag)
    assert late.status == 412
    now = await ask(callgate, "GET", "/reconcile")
    assert (now.json["pause"]["reason"], now.headers["ETag"]) == ("moving", first.headers["ETag"])
