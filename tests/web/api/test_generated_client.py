"""A client generated from the document, against the service: what a team's own tools would do."""

import asyncio
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica
from tests.support.settings import TOKEN

PACKAGE = "generated_callgate"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A place from which the generated package can be imported."""
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


async def generate(callgate: Replica, folder: Path) -> None:
    """Generate the package from the service's own document; a warning fails."""
    async with callgate.session.get(f"{callgate.url}/api/openapi.json") as response:
        (folder / "openapi.json").write_bytes(await response.read())
    # Its formatter need not be on the path.
    (folder / "config.yaml").write_text("post_hooks: []\n")
    done = await asyncio.to_thread(
        subprocess.run,
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
            *("--path", str(folder / "openapi.json"), "--output-path", str(folder / PACKAGE)),
            *("--config", str(folder / "config.yaml"), "--fail-on-warning"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class GeneratedClient:
    """Calls the generated functions by the ids of their operations."""

    def __init__(self, url: str) -> None:
        made: Any = importlib.import_module(f"{PACKAGE}.client")
        self.client = made.AuthenticatedClient(base_url=url, token=TOKEN)
        self.models: Any = importlib.import_module(f"{PACKAGE}.models")

    async def __call__(self, tag: str, name: str, *ids: object, **given: object) -> Any:
        """Status and parsed answer of one call."""
        module: Any = importlib.import_module(f"{PACKAGE}.api.{tag}.{name}")
        return await module.asyncio_detailed(*ids, client=self.client, **given)


async def test_a_generated_client_works(callgate: Replica, vapi: SandboxVapi, folder: Path) -> None:
    await generate(callgate, folder)
    ask = GeneratedClient(callgate.url)
    async with ask.client:
        await use(ask, vapi)


async def use(ask: GeneratedClient, vapi: SandboxVapi) -> None:
    """Create, read, change, list with paging, remove, and errors."""
    models = ask.models

    made = []
    for name in ("Bakery", "Cafe", "Diner"):
        body = models.OrganizationBody(name=name, external_id=name.lower())
        answer = await ask("organizations", "create_organization", body=body)
        assert answer.status_code == 201
        made.append(answer.parsed)
    owner = made[0]
    assert (owner.name, owner.access.allowed, owner.access.reason) == (
        "Bakery",
        False,
        "no_plan_or_trial",
    )

    plan = models.PlanBody(code="pro", status=models.PlanBodyStatus.ACTIVE)
    changed = await ask("organizations", "put_plan", "external_id:bakery", body=plan)
    assert changed.parsed.access.allowed is True
    assert changed.parsed.plan.status == "active"

    vapi_id = vapi.add_number()["id"]
    body = models.PhoneNumberBody(organization_id=owner.id, vapi_phone_number_id=vapi_id)
    number = (await ask("phone_numbers", "create_phone_number", body=body)).parsed
    assert number.sync.state == "in_sync"
    explained = await ask("organizations", "explain_access", owner.id, phone_number_id=number.id)
    assert (explained.parsed.allowed, explained.parsed.policy) == (True, "plan")

    names, cursor = [], None
    while True:
        given: dict[str, object] = {} if cursor is None else {"cursor": cursor}
        page = (await ask("organizations", "list_organizations", limit=2, **given)).parsed
        names += [item.name for item in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert names == ["Bakery", "Cafe", "Diner"]

    taken = await ask("phone_numbers", "create_phone_number", body=body)
    assert (taken.status_code, taken.parsed.code) == (409, "phone_number_taken")
    missing = await ask("calls", "get_call", "00000000-0000-4000-8000-000000000000")
    assert (missing.status_code, missing.parsed.status) == (404, 404)
    removed = await ask("phone_numbers", "delete_phone_number", number.id)
    assert (removed.status_code, removed.content) == (204, b"")
