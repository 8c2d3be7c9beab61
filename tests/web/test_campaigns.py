"""Which numbers a campaign calls from, wherever and however it names them."""

import asyncio

import orjson
import pytest

from service.sandbox.server import SandboxVapi
from service.vapi.campaigns import Campaigns
from tests.support.service import Replica

PLAN = {"code": "pro", "status": "active"}


@pytest.mark.parametrize(("plan", "eligible"), [(PLAN, True), (None, False)])
async def test_a_campaign_may_name_its_numbers_in_capitals_and_in_a_dial_plan(
    callgate: Replica, vapi: SandboxVapi, plan: object, eligible: bool
) -> None:
    owner = await callgate.add_organization()
    if plan:
        await callgate.api("PUT", f"/organizations/{owner}/plan", plan)
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number_id)
    entries = [{"phoneNumberId": number_id.upper(), "customers": [{"number": "+15550100003"}]}]
    planned = vapi.add_campaign(dialPlan=entries)["id"]
    for named in ({"phoneNumberId": number_id.upper()}, {"campaignId": planned}):
        answer = await callgate.post({"message": {"type": "campaign.predial", **named}})
        assert (answer.status, answer.json) == (200, {"eligible": eligible})


async def test_a_campaign_of_several_organizations_may_dial(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """Only the calls of those without access are stopped."""
    entries = []
    for name in ("Tailor", "Bakery"):
        owner = await callgate.add_organization(name)
        number_id = vapi.add_number(provider="vapi")["id"]
        await callgate.add_number(owner, number_id)
        entries.append({"phoneNumberId": number_id, "customers": []})
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    message = {"type": "campaign.predial", "campaignId": vapi.add_campaign(dialPlan=entries)["id"]}
    assert (await callgate.post({"message": message})).json == {"eligible": True}


async def test_a_new_campaign_that_vapi_does_not_know_yet_is_asked_for_again(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization()
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number_id)
    campaign = vapi.add_campaign(phoneNumberId=number_id)["id"]
    campaigns = Campaigns(callgate.service.core.client, missing_seconds=0.05)
    body = orjson.dumps({"message": {"type": "campaign.predial", "campaignId": campaign}})
    vapi.fail_next("GET /campaign/*", status=404)
    assert await campaigns.numbers_of(body) == ()
    await asyncio.sleep(0.06)
    assert await campaigns.numbers_of(body) == (number_id,)
