"""A transfer to one of our own numbers would ring in a circle: refused at once, or said afterwards."""

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica
from tests.support.visiting import visiting


async def test_a_transfer_to_a_registered_number_is_refused_at_every_entrance(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    bakery = await callgate.add_organization("Bakery")
    butcher = await callgate.add_organization("Butcher")
    number = await callgate.add_number(bakery, vapi.add_numbers(1)[0])
    digits = number["number"]
    spelled = f"{digits[:2]} ({digits[2:5]}) {digits[5:8]}-{digits[8:]}"
    for owner in (bakery, butcher):
        change = {"handling": {"transfer_when_down": spelled}}
        answer = await callgate.api("PATCH", f"/organizations/{owner}", change)
        assert (answer.status, answer.code) == (422, "transfer_in_circle")
        assert digits in answer.json["detail"]
        assert "Bakery" in answer.json["detail"]
    body = {"name": "Baker", "handling": {"transfer_when_down": digits}}
    assert (await callgate.api("POST", "/organizations", body)).code == "transfer_in_circle"
    async with visiting(callgate) as ada:
        fields = {"when_access_ends": "finish", "transfer_when_down": spelled}
        shown = await ada.post(f"/organizations/{butcher}/handling", fields)
        assert shown.status == 422
        assert "ring in a circle" in shown.text
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")
    freed = {"handling": {"transfer_when_down": digits}}
    assert (await callgate.api("PATCH", f"/organizations/{butcher}", freed)).status == 200


async def test_a_number_that_is_registered_later_is_a_condition(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    conditions = callgate.service.use_cases.conditions

    async def texts() -> list[str]:
        conditions.stored.holes_read_at = float("-inf")
        found = await conditions.read()
        return [one.text for one in found if one.kind == "transfers_in_circle"]

    item = vapi.numbers.find(vapi.add_numbers(1)[0]) or {}
    owner = await callgate.add_organization(
        "Bakery", handling={"transfer_when_down": item["number"]}
    )
    assert await texts() == []
    await callgate.add_number(owner, item["id"])
    (text,) = await texts()
    assert f"Bakery to {item['number']}" in text
    renamed = await callgate.api("PATCH", f"/organizations/{owner}", {"name": "Bakers"})
    assert renamed.status == 200
    none = {"handling": {"transfer_when_down": None}}
    assert (await callgate.api("PATCH", f"/organizations/{owner}", none)).status == 200
    assert await texts() == []
