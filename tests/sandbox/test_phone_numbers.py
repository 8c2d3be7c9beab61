"""Phone numbers over HTTP: reading, changes by PATCH, rejected requests."""

from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.vapi import VapiApi
from tests.support.vapi_spec import ANSWER_SCHEMAS, UPDATE_SCHEMAS, spec_errors

CREATE: dict[str, dict[str, Any]] = {
    "vapi": {},
    "twilio": {"number": "+15550100101", "twilioAccountSid": "AC0"},
    "vonage": {"number": "+15550100102", "credentialId": "credential"},
    "telnyx": {"number": "+15550100103", "credentialId": "credential"},
    "byo-phone-number": {"number": "+15550100104", "credentialId": "credential"},
}
SERVER = {
    "url": "https://gate.example.com/api/vapi/webhook",
    "timeoutSeconds": 20,
    "headers": {"X-Vapi-Secret": "secret"},
    "backoffPlan": {
        "type": "exponential",
        "maxRetries": 3,
        "baseDelaySeconds": 1,
        "excludedStatusCodes": [400, 401, 403, 404, 413, 422],
    },
}


@pytest.mark.parametrize("provider", CREATE)
async def test_a_number_of_every_provider_is_made_configured_and_removed(
    vapi_api: VapiApi, provider: str
) -> None:
    made = await vapi_api.ask("POST", "/phone-number", {"provider": provider} | CREATE[provider])
    assert made.status == 201
    path = f"/phone-number/{made.json['id']}"
    body = {"provider": provider, "name": "Front desk", "server": SERVER}
    assert spec_errors(UPDATE_SCHEMAS[provider], body) == []

    patched = await vapi_api.ask("PATCH", path, body)
    read = await vapi_api.ask("GET", path)

    assert patched.status == read.status == 200
    assert patched.json == read.json
    assert read.json["server"] == SERVER
    assert read.json["name"] == "Front desk"
    assert CREATE[provider].items() <= read.json.items()
    assert read.json["updatedAt"] > made.json["updatedAt"]
    assert read.json["createdAt"] == made.json["createdAt"]
    assert spec_errors(ANSWER_SCHEMAS[provider], read.json) == []

    assert (await vapi_api.ask("DELETE", path)).status == 200
    assert (await vapi_api.ask("GET", path)).status == 404
    assert (await vapi_api.ask("PATCH", path, body)).status == 404


async def test_each_sent_field_is_replaced_whole_and_null_clears(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    number = vapi.add_number(
        name="Front desk", assistantId="assistant", server=SERVER, serverUrl="https://old.example"
    )
    path = f"/phone-number/{number['id']}"
    body = {"provider": "vapi", "server": {"url": "https://b.example.com/"}, "assistantId": None}
    read = (await vapi_api.ask("PATCH", path, body)).json
    assert read["server"] == {"url": "https://b.example.com/"}
    assert "assistantId" not in read
    assert read["name"] == "Front desk"
    assert read["serverUrl"] == "https://old.example"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "No provider"}, "provider must be one of the following values"),
        ({"provider": "twilio", "name": "Other"}, "provider must be vapi"),
        ({"provider": "vapi", "color": "red"}, "property color should not exist"),
        ({"provider": "vapi", "number": "+1"}, "property number should not exist"),
        ({"provider": "vapi", "server": {"url": "nowhere"}}, "server.url must be a valid URL"),
        ({"provider": "vapi", "server": {"timeoutSeconds": 0}}, "must not be less than 1"),
        (
            {
                "provider": "vapi",
                "server": {
                    "backoffPlan": {"type": "fixed", "maxRetries": 11, "baseDelaySeconds": 1}
                },
            },
            "server.backoffPlan.maxRetries must not be greater than 10",
        ),
        ([], "body must be an object"),
    ],
)
async def test_a_bad_patch_is_refused_and_changes_nothing(
    vapi: SandboxVapi, vapi_api: VapiApi, body: object, message: str
) -> None:
    number = vapi.add_number(name="Front desk")
    reply = await vapi_api.ask("PATCH", f"/phone-number/{number['id']}", body)
    assert reply.status == 400
    assert reply.json["error"] == "Bad Request"
    assert reply.json["statusCode"] == 400
    assert isinstance(reply.json["message"], list)
    assert message in " ".join(reply.json["message"])
    assert vapi.numbers.find(number["id"]) == number


async def test_a_body_that_is_not_json_is_refused(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    number = vapi.add_number()
    reply = await vapi_api.ask("PATCH", f"/phone-number/{number['id']}", b"{")
    assert reply.status == 400


@pytest.mark.parametrize("key", ["", "wrong", "sandbox-public-key", "sandbox-private-key "])
async def test_only_the_private_key_opens_the_api(
    vapi: SandboxVapi, vapi_api: VapiApi, key: str
) -> None:
    number = vapi.add_number()
    for method, path in (
        ("GET", "/phone-number"),
        ("GET", f"/phone-number/{number['id']}"),
        ("DELETE", f"/phone-number/{number['id']}"),
    ):
        reply = await vapi_api.ask(method, path, key=key)
        if key.strip() == vapi.api_key:
            continue  # HTTP trims a header's value.
        assert reply.status == 401
        assert reply.json["statusCode"] == 401
    assert (number["id"] in vapi.numbers) is (key.strip() != vapi.api_key)


async def test_what_is_not_there_is_404_in_the_same_shape(vapi_api: VapiApi) -> None:
    for path in ("/phone-number/none", "/assistant/none", "/call/none", "/nothing/here"):
        reply = await vapi_api.ask("GET", path)
        assert reply.status == 404
        assert reply.json["error"] == "Not Found"


async def test_an_assistant_keeps_what_the_gate_does_not_know(vapi_api: VapiApi) -> None:
    model = {"provider": "openai", "model": "gpt-4o-mini"}
    made = (await vapi_api.ask("POST", "/assistant", {"name": "Desk", "model": model})).json
    path = f"/assistant/{made['id']}"
    body = {"server": SERVER, "maxDurationSeconds": 600}
    assert spec_errors("UpdateAssistantDTO", body) == []
    read = (await vapi_api.ask("PATCH", path, body)).json
    assert read["model"] == model
    assert read["server"] == SERVER
    assert spec_errors("Assistant", read, strict=False) == []
    assert (await vapi_api.ask("PATCH", path, {"maxDurationSeconds": 9})).status == 400
