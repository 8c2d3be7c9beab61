"""What people paste, through every entrance: ids in capitals, numbers, names."""

import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica

PLAN = {"code": "pro", "status": "active"}
NAME = "Café Zürich"


def message(call_id: str, **call: object) -> dict[str, Any]:
    return {
        "message": {"type": "speech-update", "call": {"id": call_id, **call}, "status": "started"}
    }


@pytest.mark.parametrize("spell", [str.upper, str.lower, lambda text: f" {text}\u200b\n"])
async def test_a_number_is_guarded_however_its_id_was_pasted(
    callgate: Replica, vapi: SandboxVapi, spell: Callable[[str], str]
) -> None:
    owner = await callgate.add_organization()
    number_id = vapi.add_number()["id"]
    added = await callgate.add_number(owner, spell(number_id))
    assert added["vapi_phone_number_id"] == number_id
    assert added["sync"]["state"] == "in_sync"
    for place, spelled in enumerate((number_id, number_id.upper())):
        taken = {"organization_id": owner, "vapi_phone_number_id": spelled}
        assert (await callgate.api("POST", "/phone-numbers", taken)).status == 409
        answer = await callgate.post(message(f"call-{place}", phoneNumberId=spelled))
        assert (answer.status, answer.json["reason"]) == (403, "no_plan_or_trial")


async def test_the_number_is_found_in_its_third_place(callgate: Replica, vapi: SandboxVapi) -> None:
    owner = await callgate.add_organization()
    number_id = vapi.add_number()["id"]
    await callgate.add_number(owner, number_id)
    answer = await callgate.post(message("c1", phoneNumber={"id": number_id.upper()}))
    assert answer.status == 403
    stored = await callgate.call("c1")
    assert (stored["organization_id"], stored["blocked"]) == (owner, True)


async def test_a_call_keeps_its_decision_however_its_id_is_spelled(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization()
    number_id = vapi.add_number()["id"]
    await callgate.add_number(owner, number_id)
    call_id = "0196b7f0-aaaa-7000-8000-0000000000bb"
    first = await callgate.post(message(call_id.upper(), phoneNumberId=number_id))
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    later = await callgate.post(message(call_id, phoneNumberId=number_id))
    assert (first.status, later.status) == (403, 403)
    for spelled in (call_id, call_id.upper(), f"%20{call_id}"):
        assert (await callgate.call(spelled))["vapi_call_id"] == call_id


async def test_assistants_are_known_in_any_case(callgate: Replica, vapi: SandboxVapi) -> None:
    assistant = vapi.add_assistant()["id"]
    owner = await callgate.add_organization(assistant_ids=[assistant.upper()])
    stored = (await callgate.api("GET", f"/organizations/{owner}")).json
    assert stored["assistant_ids"] == [assistant]
    answer = await callgate.post(message("c2", type="webCall", assistantId=assistant.upper()))
    assert answer.status == 403
    other = {"name": "Other", "assistant_ids": [assistant.title()]}
    assert (await callgate.api("POST", "/organizations", other)).status == 409


async def test_numbers_are_found_as_people_write_them(callgate: Replica, vapi: SandboxVapi) -> None:
    owner = await callgate.add_organization()
    number = vapi.add_number(number="+15552000001")
    added = await callgate.add_number(owner, number["id"])
    for typed in (
        "+1 555 200 0001",
        "(555) 200-0001",
        "\u200b+15552000001",
        "\uff0b15552000001",
        "tel:+1-555-200-0001",
        number["id"].upper(),
    ):
        for path in ("/phone-numbers?search=", "/organizations?query="):
            found = (await callgate.api("GET", path + quote(typed))).json["items"]
            assert [item["id"] for item in found] == [
                added["id"] if path.startswith("/phone") else owner
            ], (path, typed)
    nothing = await callgate.api("GET", "/phone-numbers?search=" + quote("(555) 200-0002"))
    assert nothing.json["items"] == []


async def test_a_name_is_the_same_in_both_encodings(callgate: Replica) -> None:
    """Composed or not, with doubled or hard spaces: stored once, found by each."""
    decomposed = unicodedata.normalize("NFD", NAME)
    owner = await callgate.add_organization(f" {decomposed.replace(' ', '  ')} ", external_id=NAME)
    stored = (await callgate.api("GET", f"/organizations/{owner}")).json
    assert (stored["name"], stored["external_id"]) == (NAME, NAME)
    for typed in (NAME, decomposed, NAME.replace(" ", "\u00a0"), f"{NAME}\ufeff"):
        for field in ("query", "external_id"):
            found = await callgate.api("GET", f"/organizations?{field}={quote(typed)}")
            assert [item["id"] for item in found.json["items"]] == [owner], (field, typed)
        by_id = await callgate.api("GET", f"/organizations/external_id:{quote(typed)}")
        assert by_id.status == 200, typed
    again = {"name": "Other", "external_id": decomposed}
    assert (await callgate.api("POST", "/organizations", again)).status == 409


async def test_language_tags_and_transfers_are_understood(callgate: Replica) -> None:
    handling = {"language": "zh_hans", "transfer_when_down": "+1 (555) 200-0009"}
    messages = [{"text": "再见", "language": "ZH-HANS"}, {"text": "Adiós", "language": "es-419"}]
    owner = await callgate.add_organization(handling=handling, blocked_messages=messages)
    stored = (await callgate.api("GET", f"/organizations/{owner}")).json
    assert stored["handling"]["language"] == "zh-Hans"
    assert stored["handling"]["transfer_when_down"] == "+15552000009"
    assert [one["language"] for one in stored["blocked_messages"]] == ["zh-Hans", "es-419"]
    for bad in ({"language": "english"}, {"transfer_when_down": "5552000009"}):
        answer = await callgate.api("PATCH", f"/organizations/{owner}", {"handling": bad})
        assert answer.status == 422
        assert next(iter(bad)) in str(answer.json)
