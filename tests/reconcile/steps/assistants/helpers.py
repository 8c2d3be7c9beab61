"""Numbers that assistants, squads and workflows answer."""

from typing import Any

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, eventually

THEIRS = "https://crm.example.net/vapi"


MODEL = {"provider": "openai", "model": "gpt-4o", "messages": [{"role": "system", "content": "Hi"}]}


SERVER = {
    "url": THEIRS,
    "timeoutSeconds": 9,
    "headers": {"X-Theirs": "keep", "X-Vapi-Secret": "their-secret"},
    "staticIpAddressesEnabled": True,
}


def ours(callgate: Replica) -> str:
    return f"{callgate.url}/api/vapi/webhook"


def add_assistant(vapi: SandboxVapi, **fields: Any) -> str:
    fields = {"name": "Order taker", "model": MODEL, "server": dict(SERVER)} | fields
    return str(vapi.add_assistant(**fields)["id"])


async def get(callgate: Replica, number: Any) -> Any:
    return (await callgate.api("GET", f"/phone-numbers/{number['id']}")).json


async def sweep(callgate: Replica) -> Any:
    """A sweep with its repairs, and with the looks that it made due in the background."""
    answer = await callgate.api("POST", "/reconcile", {})
    assert answer.status == 200, answer.json
    await idle(callgate)
    return answer.json


async def idle(callgate: Replica) -> None:
    async def nothing_due() -> bool:
        return not await callgate.service.pool.fetchval(
            "SELECT count(*) FROM callgate.webhook_states "
            "WHERE next_attempt_at <= now() OR claimed_until > now()"
        )

    await eventually(nothing_due)


async def own(callgate: Replica, organization_id: str, *assistant_ids: str) -> None:
    """Make these, and no others, the organization's assistants."""
    answer = await callgate.api(
        "PATCH", f"/organizations/{organization_id}", {"assistant_ids": list(assistant_ids)}
    )
    assert answer.status == 200, answer.json
    await idle(callgate)


def writes(vapi: SandboxVapi, kind: str = "*") -> int:
    return len(vapi.requests(f"PATCH /{kind}/*"))
