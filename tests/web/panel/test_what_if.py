"""What-if in the panel over real HTTP: every role may suppose, and nothing is changed."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica
from tests.support.visiting import visiting

SOON = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("supposed", "said"),
    [
        ({"plan": "active"}, "Calls are allowed. The plan supposed is active."),
        ({"plan": "active", "override": "deny"}, "Calls are blocked. An override by Vic blocks"),
        ({"trial": "given", "ends_at": SOON}, "Calls are allowed. The trial runs until"),
        ({"plan": "none", "trial": "none"}, "There is neither a plan nor a trial."),
        ({"type": "inboundPhoneCall", "caller_number": "+1 555 123 4567"}, "Calls are blocked."),
    ],
)
async def test_a_viewer_supposes_facts(
    callgate: Replica, supposed: dict[str, str], said: str
) -> None:
    organization = await callgate.add_organization("Acme")
    async with visiting(callgate, "viewer", "Vic") as vic:
        empty = {"plan": "", "ends_at": "", "caller_number": "", "at": "", "phone_number_id": ""}
        path = f"/organizations/{organization}/what-if?{urlencode({**empty, **supposed})}"
        shown = await vic.get(path)
        assert shown.status == 200, shown.text
        assert said in shown.text
        assert "Default" in shown.text
    assert await callgate.service.pool.fetchval("SELECT count(*) FROM callgate.plans") == 0


@pytest.mark.parametrize(
    ("supposed", "fault"),
    [
        ({"plan": "paying"}, "Input should be"),
        ({"trial": "given"}, "This field is required."),
        ({"caller_number": "555"}, "no phone number"),
        (
            {"trial": "given", "starts_at": "2031-02-01T00:00", "ends_at": "2031-01-01T00:00"},
            "begin",
        ),
        (
            {"phone_number_id": "0d5f2a1e-8c4b-4f7a-9a55-3f6f0c2b7a11"},
            "no phone number with this id",
        ),
    ],
)
async def test_what_is_wrong_is_named(
    callgate: Replica, supposed: dict[str, str], fault: str
) -> None:
    organization = await callgate.add_organization("Acme")
    async with visiting(callgate, "viewer", "Vic") as vic:
        shown = await vic.get(f"/organizations/{organization}/what-if?{urlencode(supposed)}")
        assert shown.status in (404, 422)
        assert fault in shown.text


async def test_the_form_is_on_the_organizations_page(callgate: Replica, vapi: SandboxVapi) -> None:
    organization = await callgate.add_organization("Acme")
    number = await callgate.add_number(organization, vapi.add_numbers(1)[0])
    async with visiting(callgate) as ada:
        shown = await ada.get(f"/organizations/{organization}")
        assert "What if" in shown.text
        assert re.search(rf'<option value="{number["id"]}">', shown.body)
        asked = f"/organizations/{organization}/what-if?phone_number_id={number['id']}"
        assert "There is neither a plan nor a trial." in (await ada.get(asked)).text
