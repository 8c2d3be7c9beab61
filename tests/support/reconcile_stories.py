"""Registered numbers of a whole service, here and at Vapi."""

from typing import Any

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica

ELSEWHERE = {"url": "https://elsewhere.example.net/hook", "headers": {"X-Theirs": "keep"}}


def at_vapi(vapi: SandboxVapi, number_id: str) -> Any:
    """The number as Vapi has it."""
    return vapi.numbers.find(number_id)


def writes(vapi: SandboxVapi) -> int:
    """How often something was changed at Vapi."""
    return len(vapi.requests("PATCH *"))


async def numbers(callgate: Replica, vapi: SandboxVapi, count: int) -> list[Any]:
    """Registered numbers, all in sync."""
    owner = await callgate.add_organization()
    ids = vapi.add_numbers(count, provider="vapi")
    return [await callgate.add_number(owner, number_id) for number_id in ids]


async def get(callgate: Replica, number: Any) -> Any:
    return (await callgate.api("GET", f"/phone-numbers/{number['id']}")).json
