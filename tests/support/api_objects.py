"""What a test needs that calls every operation of the OpenAPI document: an object for each id in a path,
and a body that fits it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.service import Replica, eventually

PREFIX = "/api/v1"
NOTE_UNKNOWN = "INSERT INTO callgate.unknown_numbers (vapi_phone_number_id) VALUES ($1)"
FILE = "name,external_id\nBakery {n},imported-{n}\n"
NAMES = count(1)


@dataclass(frozen=True, slots=True)
class DocumentedOperation:
    """One entry of the document; `path` is below `/api/v1`."""

    method: str
    path: str
    described: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.described["operationId"])

    @property
    def example(self) -> dict[str, Any] | None:
        """The example of its body; None if it takes none."""
        body = self.described.get("requestBody")
        return None if body is None else dict(body["content"]["application/json"]["example"])


async def read_operations(replica: Replica, *methods: str) -> list[DocumentedOperation]:
    """The operations of the served document with these methods."""
    async with replica.session.get(f"{replica.url}/api/openapi.json") as response:
        document = await response.json()
    return [
        DocumentedOperation(method.upper(), path.removeprefix(PREFIX), described)
        for path, item in document["paths"].items()
        for method, described in item.items()
        if method.upper() in methods
    ]


@dataclass(frozen=True, slots=True)
class ApiObjects:
    """Makes objects through the API of a replica; `pool` may do what admins cannot."""

    replica: Replica
    vapi: SandboxVapi
    pool: Pool

    async def make(self, name: str) -> str:
        """The id of a new object for the path's parameter `name`."""
        match name:
            case "organization_id":
                return await self.replica.add_organization(f"Organization {next(NAMES)}")
            case "phone_number_id":
                owner, vapi_id = await self.make("organization_id"), await self.at_vapi()
                return str((await self.replica.add_number(owner, vapi_id))["id"])
            case "vapi_phone_number_id":
                vapi_id = await self.at_vapi()
                await self.pool.execute(NOTE_UNKNOWN, vapi_id)
                return vapi_id
            case "import_id":
                return await self.create("/imports", kind="organizations", csv=fresh_file())
            case "token_id":
                return await self.create("/tokens", name=f"token {next(NAMES)}", role="viewer")
            case "name":
                return "quota"
        raise AssertionError(f"Make an object for {{{name}}} here.")

    async def at_vapi(self) -> str:
        number = f"+1555010{next(NAMES):04}"
        return str(self.vapi.add_number(provider="vapi", number=number)["id"])

    async def create(self, path: str, **body: object) -> str:
        answer = await self.replica.api("POST", path, body)
        assert answer.status == 201, answer.json
        return str(answer.json["id"])

    async def address(self, operation: DocumentedOperation) -> str:
        """The operation's path with new objects, in a state in which it can be carried out."""
        path = operation.path
        for name in re.findall(r"{(\w+)}", path):
            path = path.replace(f"{{{name}}}", await self.make(name))
        if operation.name == "undo_import":
            await self.apply(path.removesuffix("/undo"))
        if operation.name == "relink_phone_number":
            await self.move(path.removesuffix("/relink"))
        if operation.name == "resume_relay":
            owner = path.removesuffix("/relay/resume")
            await self.replica.api("PATCH", owner, {"forward_url": "https://example.com/vapi"})
        return path

    async def apply(self, path: str) -> None:
        assert (await self.replica.api("POST", f"{path}/apply")).status == 200

        async def applied() -> bool:
            return bool((await self.replica.api("GET", path)).json["state"] == "applied")

        await eventually(applied)

    async def move(self, path: str) -> None:
        """Delete a number at Vapi, and add the same one there under another id."""
        number = (await self.replica.api("GET", path)).json
        self.vapi.numbers.remove(number["vapi_phone_number_id"])
        await self.replica.api("POST", f"{path}/sync")
        self.vapi.add_number(provider="vapi", number=number["number"])
        await self.replica.api("POST", "/reconcile")

    async def body(self, operation: DocumentedOperation, address: str) -> dict[str, Any] | None:
        """The example of the document with ids that exist here."""
        body = operation.example
        if body is None:
            return None
        for name in ("organization_id", "vapi_phone_number_id"):
            if name in body:
                body[name] = await self.make(name)
        match operation.name:
            case "create_import":
                body["csv"] = fresh_file()
            case "create_organization":
                body["external_id"] = f"customer-{next(NAMES)}"
            case "roll_back_change":
                changes = await self.replica.api("GET", address.replace("/rollback", "/changes"))
                body["change_id"] = changes.json["items"][0]["id"]
        return body


def fresh_file() -> str:
    return FILE.format(n=next(NAMES))
