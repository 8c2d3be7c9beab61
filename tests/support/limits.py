"""Limits on calls under way in tests: a policy that states them, organizations, and calls at once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from policies import AccessRequest, Verdict, abstain, limit, policy
from service.sandbox.server import SandboxVapi
from tests.support.chains import put_policy
from tests.support.service import Replica

NAME, REASON = "calls_at_once", "too_many_at_once"
PLAN = {"code": "pro", "status": "active"}

Message = dict[str, Any]


@policy(order=50, pure=True)
def calls_at_once(request: AccessRequest) -> Verdict:
    """As many as the attributes say."""
    capacity = request.organization.attributes.get("at_once")
    if not isinstance(capacity, int):
        return abstain()
    return abstain(limits=[limit(NAME, capacity, reason=REASON)])


def add_policy(*replicas: Replica) -> None:
    """Put the policy into the chain of each replica."""
    for one in replicas:
        put_policy(one.service.access.policies.chain, calls_at_once)


async def add_limited(
    callgate: Replica, vapi: SandboxVapi, capacity: int, name: str = "Bakery", **fields: object
) -> tuple[str, str]:
    """A paying organization that may have so many calls at once, and its number."""
    owner = await callgate.add_organization(name, attributes={"at_once": capacity}, **fields)
    assert (await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)).status == 200
    assistant = vapi.add_assistant(name="A")["id"]
    number = str(vapi.add_number(provider="vapi", assistantId=assistant)["id"])
    await callgate.add_number(owner, number, gate="request")
    return owner, number


async def know(replicas: Sequence[Replica], number: str) -> None:
    """Wait until every replica knows the number, and how many slots are in use."""
    for one in replicas:
        access = one.service.access
        while number not in access.directory.numbers or not access.limits.memory.loaded:
            await asyncio.sleep(0.02)


async def post_all(replicas: Sequence[Replica], messages: Sequence[Message]) -> list[Any]:
    """Post all messages at once, to the replicas in turn."""
    turns = [replicas[place % len(replicas)] for place in range(len(messages))]
    return await asyncio.gather(
        *(to.post(message) for to, message in zip(turns, messages, strict=True))
    )


def granted(messages: Sequence[Message], answers: Sequence[Any]) -> list[Message]:
    """The calls that were let in."""
    assert all(answer.status in (200, 403) for answer in answers), answers
    return [
        message
        for message, answer in zip(messages, answers, strict=True)
        if answer.status == 200 and "error" not in answer.json
    ]


def ended(message: Message) -> Message:
    """The report of a call's end."""
    call = message["message"]["call"]
    return {
        "message": {"type": "end-of-call-report", "endedReason": "hangup", "call": call},
    }


async def slots(pool: Any) -> Counter[str]:
    """The slots in use, by name."""
    rows = await pool.fetch(
        "SELECT unnest(slots) AS name FROM callgate.calls WHERE ended_at IS NULL"
    )
    return Counter(row["name"] for row in rows)
