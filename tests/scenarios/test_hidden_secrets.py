"""A former webhook with a secret that Vapi does not show: said before it is replaced, and after."""

from service.admin.phone_numbers.phone_numbers import NOT_RESTORABLE
from service.sandbox.server import SandboxVapi
from service.web.panel.phone_numbers.adding import TAKE_OVER_WARNING
from service.web.panel.phone_numbers.views import NOT_RESTORABLE as RELEASE_TEXT
from tests.support.service import Replica, eventually
from tests.support.visiting import visiting

FORMER = {"url": "https://theirs.example.net/hook", "secret": "their old secret"}


async def test_a_secret_that_cannot_be_restored_is_named_before_and_after(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization()
    vapi_id = vapi.add_number(provider="vapi", server=dict(FORMER))["id"]
    plain = vapi.add_number(provider="vapi", server={"url": FORMER["url"]})["id"]
    address = f"/numbers/new?organization_id={owner}&vapi_phone_number_id="
    async with visiting(callgate, "admin") as ada:
        assert TAKE_OVER_WARNING in (await ada.get(f"{address}{vapi_id}")).text
        assert TAKE_OVER_WARNING not in (await ada.get(f"{address}{plain}")).text
        await callgate.add_number(owner, plain)
        number = await callgate.add_number(owner, vapi_id)
        assert number["sync"]["state"] == "in_sync"
        assert RELEASE_TEXT in (await ada.get(f"/numbers/{number['id']}")).text
    changes = await callgate.api("GET", f"/phone-numbers/{number['id']}/changes")
    fields = {one["field"]: one for one in changes.json["items"][0]["fields"]}
    assert fields["server.secret"]["desired"] == "(absent)"
    assert "their old secret" not in changes.body.decode()
    (found,) = [
        one
        for one in await callgate.service.use_cases.conditions.read()
        if one.kind == "former_secrets_hidden"
    ]
    assert "1 number" in found.text
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")

    async def restored() -> bool:
        return bool((vapi.numbers.find(vapi_id) or {}).get("server") == {"url": FORMER["url"]})

    await eventually(restored)
    entries = (await callgate.api("GET", "/audit")).json["items"]
    released = next(one for one in entries if one["action"] == "phone_number.released")
    assert released["before"]["former_webhook_secret"] == NOT_RESTORABLE
