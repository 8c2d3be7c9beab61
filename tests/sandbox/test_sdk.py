"""The types of Vapi's own SDK can parse the sandbox's answers.

Leaf modules only. The SDK wrongly rejects `backoffPlan.type` (it wants a class where the API has a
text), so server blocks go without one here; the spec test covers it.
"""

from importlib import import_module
from typing import Any

import pytest

from service.sandbox import samples
from service.sandbox.server import SandboxVapi
from tests.support.vapi import VapiApi
from tests.support.vapi_spec import UPDATE_SCHEMAS

pytest.importorskip("vapi", reason="vapi_server_sdk is not installed")

TYPES = {
    "vapi": "VapiPhoneNumber",
    "twilio": "TwilioPhoneNumber",
    "vonage": "VonagePhoneNumber",
    "telnyx": "TelnyxPhoneNumber",
    "byo-phone-number": "ByoPhoneNumber",
}
MODULES = {
    "VapiPhoneNumber": "vapi_phone_number",
    "TwilioPhoneNumber": "twilio_phone_number",
    "VonagePhoneNumber": "vonage_phone_number",
    "TelnyxPhoneNumber": "telnyx_phone_number",
    "ByoPhoneNumber": "byo_phone_number",
    "Server": "server",
}


def sdk_type(name: str) -> Any:
    """A model of the SDK, from its own module."""
    return getattr(import_module(f"vapi.types.{MODULES[name]}"), name)


def test_every_provider_is_covered() -> None:
    assert set(TYPES) == set(UPDATE_SCHEMAS)


async def test_numbers_of_every_provider_parse_as_the_sdk_types(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    samples.seed(vapi)
    server = {"url": "https://gate.example.com/", "headers": {"X-Vapi-Secret": "secret"}}
    for number in samples.sample_numbers():
        path = f"/phone-number/{number['id']}"
        body = {"provider": number["provider"], "server": server}
        assert (await vapi_api.ask("PATCH", path, body)).status == 200
        read = (await vapi_api.ask("GET", path)).json
        parsed = sdk_type(TYPES[number["provider"]]).model_validate(read)
        assert parsed.id == number["id"]
        assert parsed.server.url == "https://gate.example.com/"
        assert parsed.server.headers == {"X-Vapi-Secret": "secret"}
