"""Add numbers over the API, and read their webhooks at Vapi."""

from typing import Any

from service.domain.organization_secret import verify_organization_secret
from service.sandbox.server import SandboxVapi
from service.settings import WEBHOOK_PATH
from tests.support.api import ApiClient
from tests.support.settings import SECRET

BEFORE = {"url": "https://customer.example/hook", "timeoutSeconds": 7}


async def add(api: ApiClient, organization: Any, vapi_id: str, **fields: Any) -> Any:
    reply = await api.ask(
        "POST",
        "/phone-numbers",
        {"organization_id": organization["id"], "vapi_phone_number_id": vapi_id, **fields},
    )
    assert reply.status == 201, reply.body
    return reply.json


def server(vapi: SandboxVapi, vapi_id: str) -> Any:
    """The webhook that Vapi holds for a number."""
    found = vapi.numbers.find(vapi_id)
    assert found is not None
    return found.get("server")


def is_ours(api: ApiClient, block: Any) -> bool:
    """Whether a webhook is the one that our settings ask for."""
    ours = bool(block) and block["url"] == api.service.settings.webhook_url
    if ours:
        assert block["url"].endswith(WEBHOOK_PATH)
        carried = block["headers"]["X-Vapi-Secret"].encode()
        assert verify_organization_secret(carried, [SECRET]) is not None
    return ours
