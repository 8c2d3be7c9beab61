"""The authors' table of facts says of each question what the service asks policies with."""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from policies import AccessRequest, Verdict, abstain
from policies.host.documents import dump
from service.sandbox.server import SandboxVapi
from tests.support.chains import put_policy
from tests.support.service import Replica, eventually

PAGE = Path(__file__).parents[2] / "policies" / "README.md"
MOMENTS = ("in", "out", "web", "campaign", "preview", "list", "ring gate")
ALWAYS = {"at", "purpose", "renewal_grace", "settings", "organization"}
INSTANT = "2999-01-01T00:00:00Z"


class Watching:
    """A policy that keeps what it is asked with."""

    name = "watching"
    order = 10
    pure = True

    def __init__(self) -> None:
        self.asked: list[AccessRequest] = []

    def evaluate(self, request: AccessRequest) -> Verdict:
        self.asked.append(request)
        return abstain()

    def last(self, purpose: str) -> AccessRequest:
        return next(one for one in reversed(self.asked) if one.purpose == purpose)


def read_table() -> dict[str, dict[str, str]]:
    """The cells by fact and moment."""
    section = PAGE.read_text().partition("### Facts, and when they are absent")[2]
    rows = re.findall(r"^\| (`.*?) \|(.*)\|$", section.partition("\n## ")[0], re.MULTILINE)
    found: dict[str, dict[str, str]] = {}
    for names, cells in rows:
        signs = [cell.strip() for cell in cells.split("|")]
        for name in re.findall(r"`([a-z_.]+)`", names):
            found[name] = dict(zip(MOMENTS, signs, strict=False))
    return found


def value_of(request: AccessRequest, fact: str) -> object:
    found: object = request
    for part in fact.split("."):
        found = None if found is None else getattr(found, part)
    return found


def facts_of(request: AccessRequest) -> set[str]:
    """The names of all facts that may be absent."""
    names = {one.name for one in fields(request)} - ALWAYS
    for name in ("organization", "call", "phone_number"):
        value = getattr(request, name)
        assert is_dataclass(value)
        required = {"id", "name", "attributes", "vapi_call_id", "vapi_phone_number_id"}
        names |= {f"{name}.{one.name}" for one in fields(value) if one.name not in required}
    return names


async def ask_all(callgate: Replica, vapi: SandboxVapi) -> Mapping[str, AccessRequest]:
    """A request of each moment, of an organization of which all is known."""
    watching = Watching()
    chain = callgate.service.access.policies.chain
    put_policy(chain, watching)
    assistant = vapi.add_assistant(name="A")["id"]
    owner = await callgate.add_organization(
        external_id="acme", time_zone="Europe/Berlin", assistant_ids=[assistant]
    )
    path = f"/organizations/{owner}"
    await callgate.api("PUT", f"{path}/plan", {"code": "pro", "status": "active"})
    await callgate.api("PUT", f"{path}/trial", {"ends_at": INSTANT})
    override = {"effect": "allow", "reason": "later", "starts_at": INSTANT}
    await callgate.api("PUT", f"{path}/override", override)
    number = vapi.add_number(provider="vapi", number="+15550100001")["id"]
    bound = vapi.add_number(provider="vapi", number="+15550100002", assistantId=assistant)["id"]
    for one in (number, bound):
        await callgate.add_number(owner, one, label="desk")

    async def known() -> bool:
        await callgate.api("GET", f"{path}/access")
        return watching.last("preview").usage is not None

    await eventually(known)
    found: dict[str, AccessRequest] = {"preview": watching.last("preview")}

    async def post(moment: str, message: Any, purpose: str = "call") -> None:
        answer = await callgate.post(message)
        assert answer.status == 200, answer.json
        found[moment] = watching.last(purpose)

    await post("in", vapi.live_call(number, kind="assistant-request"))
    await post("out", vapi.live_call(bound, type="outboundPhoneCall"))
    await post("web", vapi.live_call(None, type="webCall", caller=None, assistant_id=assistant))
    campaign = {"type": "campaign.predial", "phoneNumber": {"id": number}}
    await post(
        "campaign", {"message": {**campaign, "customer": {"number": "+15550100200"}}}, "predial"
    )
    await callgate.api("GET", "/organizations?allowed=true")
    found["list"] = watching.last("list")
    await callgate.service.access.policies.standings.read([found["in"].organization.id])
    found["ring gate"] = watching.last("ring_gate")
    return found


async def test_the_table_of_facts_is_what_policies_see(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    table, asked = read_table(), await ask_all(callgate, vapi)
    assert table.keys() == facts_of(asked["in"])
    told = {
        moment: {fact for fact in table if value_of(request, fact) is not None}
        for moment, request in asked.items()
    }
    for moment in MOMENTS:
        possible = {fact for fact, cells in table.items() if cells[moment] != "–"}
        assert told[moment] == possible, (moment, dump(asked[moment]))
        assert all(cells[moment] in ("✓", "(✓)", "–") for cells in table.values())
