"""The sample data: always the same, valid, with every provider."""

from service.sandbox import dtos, samples
from service.sandbox.server import SandboxVapi
from tests.support.vapi import VapiApi
from tests.support.vapi_spec import ANSWER_SCHEMAS, spec_errors

LEGACY = ("id", "serverUrl")


async def test_the_sample_world_is_always_the_same() -> None:
    worlds = []
    for _ in range(2):
        sandbox = SandboxVapi(seed=samples.seed)
        await sandbox.start()
        worlds.append((list(sandbox.numbers), list(sandbox.assistants)))
        await sandbox.stop()
    assert worlds[0] == worlds[1]


def test_every_provider_is_there_and_every_number_is_what_vapi_could_have() -> None:
    numbers = samples.sample_numbers()
    assert {number["provider"] for number in numbers} == set(dtos.OWN_FIELDS)
    assert len({number["id"] for number in numbers}) == len(numbers)
    rules = dtos.phone_number_create(allow_http=False)
    for number in numbers:
        given = {key: value for key, value in number.items() if key not in LEGACY}
        if number["provider"] == "vapi":
            given.pop("number")
        assert list(rules("", given)) == []
        at = "2026-01-01T00:00:00.000Z"
        full = number | {"orgId": "org", "createdAt": at, "updatedAt": at}
        assert spec_errors(ANSWER_SCHEMAS[number["provider"]], full, strict=False) == []


def test_each_sample_organization_has_a_number_of_its_own() -> None:
    known = {number["id"] for number in samples.sample_numbers()}
    used = [item.vapi_phone_number_id for item in samples.SAMPLE_ORGANIZATIONS]
    assert set(used) <= known - set(samples.SPARE_NUMBERS)
    assert len(set(used)) == len(used) == 3


async def test_a_live_call_of_a_sample_number_really_ends(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    samples.seed(vapi)
    for item in samples.SAMPLE_ORGANIZATIONS:
        message = vapi.live_call(item.vapi_phone_number_id)["message"]
        assert message["phoneNumber"]["name"] == item.name
        url = message["call"]["monitor"]["controlUrl"]
        assert (await vapi_api.ask("POST", url, {"type": "end-call"})).status == 200
        assert not vapi.calls[message["call"]["id"]].live
