"""Secrets of other servers are stored encrypted, restored on release, and lost only with the key."""

from typing import Any

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from service.store.reconcile.sealing import Sealing, count_lost
from service.store.vault import Vault
from tests.support.service import Replica, Start, eventually

CANARY = "the-canary-of-another-server"
FORMER = {
    "url": "https://crm.example.net/hook",
    "timeoutSeconds": 7,
    "headers": {"X-Vapi-Secret": CANARY, "X-Their-Own": CANARY},
}
STORED = """
SELECT coalesce(string_agg(row::text, ' '), '') FROM (
    SELECT to_jsonb(s) AS row FROM callgate.webhook_states s
    UNION ALL SELECT to_jsonb(c) FROM callgate.webhook_changes c
    UNION ALL SELECT to_jsonb(a) FROM callgate.assistant_webhooks a) AS everything
"""


async def add_with_former(callgate: Replica, vapi: SandboxVapi) -> tuple[str, str]:
    """A number that had another server: our id, and Vapi's."""
    vapi_id = vapi.add_number(provider="vapi", server=FORMER)["id"]
    added = await callgate.add_number(await callgate.add_organization(), vapi_id)
    assert added["sync"]["state"] == "in_sync"
    return added["id"], vapi_id


def server_of(vapi: SandboxVapi, vapi_id: str) -> Any:
    return (vapi.numbers.find(vapi_id) or {}).get("server")


async def release(callgate: Replica, pool: Pool, number: str) -> None:
    await callgate.api("DELETE", f"/phone-numbers/{number}")

    async def is_gone() -> bool:
        return not await pool.fetchval("SELECT count(*) FROM callgate.phone_numbers")

    await eventually(is_gone)


async def test_a_former_secret_is_stored_encrypted_and_comes_back(
    callgate: Replica, vapi: SandboxVapi, pool: Pool
) -> None:
    number, vapi_id = await add_with_former(callgate, vapi)
    stored = await pool.fetchval(STORED)
    assert "crm.example.net" in stored
    assert CANARY not in stored
    await release(callgate, pool, number)
    assert server_of(vapi, vapi_id) == FORMER


async def test_a_lost_key_costs_only_the_secrets(
    start_replica: Start, vapi: SandboxVapi, pool: Pool
) -> None:
    number, vapi_id = await add_with_former(await start_replica(), vapi)
    other = await start_replica(callgate_encryption_key="another key than the first one had")
    found = await other.service.use_cases.conditions.read()
    lost = [one.text for one in found if one.kind == "kept_secrets_lost"]
    assert lost == [
        "The encryption key is lost for the secrets of 1 former webhook that a release restores."
    ]
    await release(other, pool, number)
    server = server_of(vapi, vapi_id)
    assert (server["url"], server["timeoutSeconds"]) == (FORMER["url"], 7)


async def test_what_an_earlier_version_stored_is_encrypted(
    callgate: Replica, vapi: SandboxVapi, pool: Pool
) -> None:
    await add_with_former(callgate, vapi)
    plain = {"server": FORMER}
    await pool.execute("UPDATE callgate.webhook_states SET original = $1", plain)
    await pool.execute("UPDATE callgate.webhook_changes SET before = $1, after = $1", plain)
    await pool.execute(
        "INSERT INTO callgate.assistant_webhooks (vapi_assistant_id, original) VALUES ('a', $1)",
        plain,
    )
    vault = Vault(["the key of this test is its own"])
    await Sealing(pool, vault).run()
    assert CANARY not in await pool.fetchval(STORED)
    for table in ("webhook_states", "assistant_webhooks"):
        kept = await pool.fetchval(f"SELECT original FROM callgate.{table}")
        assert vault.open_kept(kept) == plain
    assert await count_lost(pool, vault) == 0
    assert await count_lost(pool, Vault(["another key than that of the vault"])) == 2
