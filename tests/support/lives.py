"""One registered number, for tests that interrupt the work on it: its webhook before ours,
changes by other clients, how a healthy service goes on, and the checks that nothing was lost."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from pydantic import SecretStr

from service.access.policies.chain import AccessChain
from service.access.policies.plugins import load_policies
from service.access.standings import AccessStandings
from service.domain.sweeps import SweepRequest
from service.reconcile.build import Reconciling, build_reconciling
from service.reconcile.desired import SECRET_HEADER
from service.reconcile.steps import webhook_fields
from service.sandbox.server import SandboxVapi
from service.settings import Settings
from service.store.pool import Pool
from service.store.reconcile import changes as webhook_changes
from service.store.reconcile import states
from service.store.vault import open_vault
from service.vapi.bindings import BINDINGS
from service.vapi.client import VapiClient
from tests.support.dying import Fate, Mortal
from tests.support.reconciling import unpaced
from tests.support.settings import SECRET, secret_of, settings_for

URL = "https://calls.agency.net/api/vapi/webhook"
NEW_URL = "https://new.agency.net/api/vapi/webhook"
NEW_SECRET = "the-new-secret-of-the-tests"
ELSEWHERE = "https://elsewhere.example.net/hook"
THEIR_HOOK = {"on": "call.ringing", "do": [{"type": "say", "exact": "Welcome!"}]}
FORMER = {
    "url": "https://old.example.net/hook",
    "timeoutSeconds": 7,
    "credentialId": "550e8400-e29b-41d4-a716-446655440000",
    "headers": {"X-Theirs": "keep"},
}
ASSISTANTS = {"url": "https://crm.example.net", "headers": {"X-Crm": "keep"}}
MESSAGE = "No calls at the moment."
ROUNDS = 8

ADD = """
WITH owner AS (
    INSERT INTO callgate.organizations (name, blocked_message, handling)
    VALUES ('Bakery', $2, $3) RETURNING id),
number AS (
    INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, gate, created_at)
    SELECT id, $1, $4, now() - interval '1 hour' FROM owner RETURNING id, organization_id),
state AS (
    INSERT INTO callgate.webhook_states (phone_number_id, ordered_by, ordered_from)
    SELECT id, 'ada', 'api' FROM number)
SELECT id, organization_id FROM number
"""

# What time does: leases run out, and what waits for its next attempt becomes due.
TIME_PASSES = """
WITH assistants AS (UPDATE callgate.assistant_webhooks SET claimed_until = NULL)
UPDATE callgate.webhook_states SET claimed_until = NULL,
    next_attempt_at = least(next_attempt_at, now())
"""

# A new number each time, on the same database. The history goes too: nothing refers to it.
START_AGAIN = (
    "DELETE FROM callgate.phone_numbers",
    "DELETE FROM callgate.assistant_webhooks",
    "DELETE FROM callgate.organizations",
    "DELETE FROM callgate.webhook_changes",
)

RELEASE = """
UPDATE callgate.phone_numbers SET released_at = now(), organization_id = NULL WHERE id = $1
"""


def foreign(raw: Mapping[str, Any]) -> dict[str, Any]:
    """All of an object that is never ours, null kept apart from absent."""
    found = {name: value for name, value in raw.items() if name not in ("updatedAt", *BINDINGS)}
    server = found.pop("server", None) or {}
    found["server"] = {
        name: value
        for name, value in server.items()
        if name not in (*webhook_fields.OWNED_KEYS, "headers")
    }
    found["headers"] = webhook_fields.foreign_headers(server)
    hooks = found.pop("hooks", None) or []
    found["hooks"] = [hook for hook in hooks if MESSAGE not in repr(hook)]
    return found


def owned(raw: Mapping[str, Any]) -> dict[str, Any]:
    """All of an object that may be ours."""
    server = raw.get("server") or {}
    return {
        **{name: server[name] for name in webhook_fields.OWNED_KEYS if name in server},
        **{name: raw[name] for name in BINDINGS if name in raw},
        "header": webhook_fields.header_values(server.get("headers")),
        "hooks": [hook for hook in raw.get("hooks") or [] if MESSAGE in repr(hook)],
    }


@dataclass
class Life:
    """One number, what it was before us, and what is done to it.

    `theirs` is how others last left the number, `first` and `assistant_first` what they want back.
    """

    vapi: SandboxVapi
    pool: Pool
    settings: Settings
    number_id: str = ""
    assistant_id: str = ""
    id: UUID = field(default_factory=lambda: UUID(int=0))
    owner: UUID = field(default_factory=lambda: UUID(int=0))
    first: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)
    assistant_first: dict[str, Any] = field(default_factory=dict)
    chain: AccessChain = field(default_factory=lambda: AccessChain(load_policies().policies))

    @asynccontextmanager
    async def parts(self, fate: Fate | None = None) -> AsyncIterator[Reconciling]:
        """A process; mortal with a fate."""
        settings = self.settings
        async with aiohttp.ClientSession() as session:
            client: Any = VapiClient(session, settings.vapi_api_url, settings.vapi_api_key, unpaced)
            pool: Any = self.pool
            if fate is not None:
                client, pool = Mortal(client, fate), Mortal(pool, fate)
            standings = AccessStandings(pool, self.chain, "Not in service.", ring_default=False)
            yield build_reconciling(settings, pool, client, standings)

    async def add(self, *, gate: str = "event", **handling: object) -> None:
        """A number with a history of its own, registered and not configured yet."""
        assistant = self.vapi.add_assistant(name="Order taker", server=deepcopy(ASSISTANTS))
        self.assistant_id, self.assistant_first = assistant["id"], deepcopy(assistant)
        bound = {"assistantId": self.assistant_id} if gate == "request" else {}
        number = self.vapi.add_number(
            provider="vapi",
            name="Line",
            server=deepcopy(FORMER),
            hooks=[deepcopy(THEIR_HOOK)],
            **bound,
        )
        self.number_id, self.first, self.theirs = number["id"], deepcopy(number), deepcopy(number)
        row = await self.pool.fetchrow(ADD, self.number_id, MESSAGE, handling, gate)
        assert row is not None
        self.id, self.owner = row["id"], row["organization_id"]

    async def start_again(self) -> None:
        """Forget everything, here and at Vapi."""
        for statement in START_AGAIN:
            await self.pool.execute(statement)
        self.vapi.traffic.requests.clear()
        for shelf in (self.vapi.numbers, self.vapi.assistants):
            for item in list(shelf):
                shelf.remove(item["id"])

    def edit(self, **fields: Any) -> None:
        """Another client of Vapi changes the number on purpose."""
        self.theirs = deepcopy(self.vapi.edit_number(self.number_id, **fields))
        bound = {name: self.theirs[name] for name in BINDINGS if name in self.theirs}
        if set(BINDINGS) & set(fields):
            self.first = {name: self.first[name] for name in self.first if name not in BINDINGS}
            self.first |= bound

    async def time_passes(self) -> None:
        await self.pool.execute(TIME_PASSES)

    async def settle(self) -> None:
        """Healthy processes do what a running service does, until there is nothing to do; without any
        notification, so that a missed one costs nothing."""
        async with self.parts() as parts:
            for _ in range(ROUNDS):
                before = self.written()
                await self.time_passes()
                await parts.sweeper.work_off()
                await parts.sweeper.sweep(SweepRequest(seconds=None))
                row = await self.state()
                if row is None or (row["state"] == "in_sync" and self.written() == before):
                    return

    async def configure(self) -> None:
        """A healthy process brings the number to where it should be, and nothing else."""
        async with self.parts() as parts:
            await parts.sweeper.work_off()

    def written(self, pattern: str = "PATCH *") -> int:
        """How many changes Vapi was asked for since the number was added."""
        return len(self.vapi.requests(pattern))

    def number(self) -> dict[str, Any]:
        return self.vapi.numbers.find(self.number_id) or {}

    def assistant(self) -> dict[str, Any]:
        return self.vapi.assistants.find(self.assistant_id) or {}

    def at_vapi(self) -> list[dict[str, Any]]:
        """All that could have been changed there, but for when."""
        return [{**raw, "updatedAt": None} for raw in (self.number(), self.assistant())]

    def says(self) -> list[str]:
        return [hook["do"][0]["exact"] for hook in self.number().get("hooks") or []]

    async def state(self) -> Any:
        return await self.pool.fetchrow(
            "SELECT * FROM callgate.webhook_states WHERE phone_number_id = $1", self.id
        )

    async def pause(self) -> None:
        async with self.pool.acquire() as connection:
            await states.pause(connection, self.id, "ada", "look", None)

    async def due(self) -> None:
        await self.pool.execute(
            "UPDATE callgate.webhook_states SET next_attempt_at = now() WHERE phone_number_id = $1",
            self.id,
        )

    async def own_the_assistant(self) -> None:
        await self.pool.execute(
            "INSERT INTO callgate.assistants (vapi_assistant_id, organization_id) VALUES ($1, $2)",
            self.assistant_id,
            self.owner,
        )

    async def release(self) -> None:
        await self.pool.execute(RELEASE, self.id)
        await self.due()

    def rotate(self) -> None:
        """The service is started again with a new secret; the old one is still accepted."""
        self.settings = self.settings.model_copy(
            update={"vapi_webhook_secret": SecretStr(f"{NEW_SECRET},{SECRET}")}
        )

    def move(self) -> None:
        """The service is started again at another address."""
        self.settings = self.settings.model_copy(update={"vapi_webhook_url": NEW_URL})

    def posts_to_us(self, raw: Mapping[str, Any]) -> bool:
        """Whether an object carries our webhook, correct in every field."""
        server = raw.get("server") or {}
        secret = secret_of(self.owner, self.settings.webhook_secrets[0])
        return (
            server.get("url") == self.settings.webhook_url
            and server.get("timeoutSeconds") == 20
            and (server.get("backoffPlan") or {}).get("maxRetries") == 3
            and {name: value for name, value in server["headers"].items() if value == secret}
            == {SECRET_HEADER: secret}
            and len(webhook_fields.header_values(server["headers"])) == 1
        )

    async def is_in_sync(self) -> None:
        """Our fields are set, other fields kept, and the first webhook is stored for the release."""
        row = await self.state()
        assert row["state"] == "in_sync", row["last_error"]
        assert self.posts_to_us(self.number()), self.number()
        assert foreign(self.number()) == foreign(self.theirs)
        assert open_vault(self.settings).open_kept(row["original"]) == {"server": FORMER}
        await self.is_written_down()

    async def is_written_down(self) -> None:
        """Each change that reached Vapi has a row of its own; none of them holds our secret."""
        changes = await webhook_changes.list_page(self.pool, self.id, None, 100)
        for level, path, item in (
            ("phone_number", "phone-number", self.number_id),
            ("assistant", "assistant", self.assistant_id),
        ):
            noted = [one for one in changes if (one.level, one.vapi_id) == (level, item)]
            asked = self.written(f"PATCH /{path}/{item}")
            assert len(noted) >= asked, "a change left no trace"
        assert SECRET not in repr([change.after for change in changes])

    async def is_gone(self) -> None:
        """As if we had never been there, and nothing is left to do."""
        assert await self.state() is None
        await self.is_as_it_was()

    async def is_as_it_was(self) -> None:
        """What others changed meanwhile stays, what we had taken is back."""
        assert owned(self.number()) == owned(self.first)
        assert foreign(self.number()) == foreign(self.theirs)
        assert self.assistant() | {"updatedAt": None} == self.assistant_first | {"updatedAt": None}
        assert await self.pool.fetchval("SELECT count(*) FROM callgate.assistant_webhooks") == 0
        await self.is_written_down()


@pytest.fixture
async def life(vapi: SandboxVapi, pool: Pool, tmp_path: Path) -> Life:
    """No number yet: `await life.add()`."""
    return Life(vapi, pool, settings_for(tmp_path, vapi.base_url, vapi_webhook_url=URL))
