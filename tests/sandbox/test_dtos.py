"""The sandbox's rules agree with Vapi's published spec, field by field."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.sandbox import dtos, message_types
from tests.support.vapi_spec import CREATE_SCHEMAS, UPDATE_SCHEMAS, spec_errors

ODD = st.sampled_from([0, -1, 11, 301, 1.5, True, "", "text", "x" * 41, [], ["a"], {}, {"a": "b"}])
URL = st.just("https://gate.example.com/api/vapi/webhook")


def objects(fields: dict[str, Any], *odd: str) -> Any:
    """Objects with some of the fields, each valid or odd; the rest of `odd` unknown."""
    mixed = {
        name: good if name in ("url", "headers", "provider") else st.one_of(*[good] * 9, ODD)
        for name, good in fields.items()
    }
    return st.fixed_dictionaries({}, optional=mixed | dict.fromkeys(odd, ODD))


BACKOFF = objects(
    {
        "type": st.sampled_from(["fixed", "exponential"]),
        "maxRetries": st.integers(-1, 11),
        "baseDelaySeconds": st.integers(-1, 11),
        "excludedStatusCodes": st.lists(st.sampled_from([400, 404, 4.5, 1.0, "404"]), max_size=3),
    },
    "jitter",
)
SERVER = objects(
    {
        "url": URL,
        "timeoutSeconds": st.sampled_from([1, 20, 300, 0, 301, 0.5]),
        "headers": st.just({"X-Vapi-Secret": "secret"}),
        "credentialId": st.just("credential"),
        "staticIpAddressesEnabled": st.booleans(),
        "encryptedPaths": st.just(["message.call"]),
        "backoffPlan": BACKOFF,
    },
    "secret",
)
DESTINATION = st.one_of(
    objects({"type": st.just("number"), "number": st.just("+15550100100")}, "sipUri"),
    objects({"type": st.just("sip"), "sipUri": st.just("sip:a@b.example")}, "number"),
)
ACTION = st.one_of(
    objects({"type": st.just("say"), "exact": st.sampled_from(["Goodbye.", "x" * 4001])}),
    objects({"type": st.just("transfer"), "destination": DESTINATION}),
)
RINGING = objects(
    {
        "on": st.just("call.ringing"),
        "do": st.lists(ACTION, max_size=2),
        "filters": st.lists(
            objects(
                {
                    "type": st.just("startsWith"),
                    "key": st.just("number"),
                    "startsWith": st.just(["+1"]),
                }
            ),
            max_size=1,
        ),
    }
)
ENDING = objects(
    {
        "on": st.just("call.ending"),
        "do": ACTION,
        "filters": st.lists(
            objects(
                {
                    "type": st.just("oneOf"),
                    "key": st.just("call.endedReason"),
                    "oneOf": st.lists(
                        st.sampled_from([*message_types.ENDING_REASONS, "customer-ended-call"])
                    ),
                }
            ),
            max_size=1,
        ),
    }
)
NUMBER = {
    "name": st.sampled_from(["Front desk", "x" * 40, "x" * 41]),
    "server": SERVER,
    "hooks": st.lists(st.one_of(RINGING, ENDING), max_size=2),
    "fallbackDestination": DESTINATION,
    "assistantId": st.just("assistant"),
    "squadId": st.just("squad"),
    "workflowId": st.just("workflow"),
    "number": st.just("+15550100100"),
    "credentialId": st.just("credential"),
    "sipUri": st.just("sip:desk@sip.vapi.ai"),
    "authentication": objects({"username": st.just("u" * 20), "password": st.just("p" * 20)}),
    "smsEnabled": st.booleans(),
    "twilioAccountSid": st.just("AC0"),
    "twilioAuthToken": st.just("token"),
    "numberE164CheckEnabled": st.booleans(),
}


@pytest.mark.parametrize("provider", UPDATE_SCHEMAS)
@given(body=objects(NUMBER, "serverUrl"))
@settings(max_examples=150, deadline=None)
def test_an_update_is_judged_as_the_spec_judges_it(provider: str, body: dict[str, Any]) -> None:
    body = {"provider": provider} | body
    ours = list(dtos.phone_number_update(allow_http=False)("", body))
    theirs = spec_errors(UPDATE_SCHEMAS[provider], body)
    assert bool(ours) == bool(theirs), (ours, theirs)


@pytest.mark.parametrize("provider", CREATE_SCHEMAS)
@given(body=objects(NUMBER | {"numberDesiredAreaCode": st.sampled_from(["415", "41"])}))
@settings(max_examples=60, deadline=None)
def test_a_creation_is_judged_as_the_spec_judges_it(provider: str, body: dict[str, Any]) -> None:
    body = {"provider": provider} | body
    ours = list(dtos.phone_number_create(allow_http=False)("", body))
    theirs = spec_errors(CREATE_SCHEMAS[provider], body)
    assert bool(ours) == bool(theirs), (ours, theirs)


@given(
    body=objects(
        {
            "serverMessages": st.lists(st.sampled_from([*message_types.MESSAGE_TYPES, "gossip"])),
            "maxDurationSeconds": st.sampled_from([9, 10, 43_200, 43_201]),
            "name": st.sampled_from(["Desk", "x" * 41]),
            "metadata": st.just({"a": 1}),
            "monitorPlan": objects({"controlEnabled": st.booleans()}, "secret"),
            "server": SERVER,
        },
        "serverUrl",
    )
)
@settings(max_examples=150, deadline=None)
def test_an_assistant_is_judged_as_the_spec_judges_it(body: dict[str, Any]) -> None:
    ours = list(dtos.assistant(allow_http=False)("", body))
    theirs = spec_errors("UpdateAssistantDTO", body)
    assert bool(ours) == bool(theirs), (ours, theirs)


@pytest.mark.parametrize(
    ("url", "allow_http", "fits"),
    [
        ("https://gate.example.com/vapi", False, True),
        ("http://gate.example.com/vapi", False, False),
        ("http://gate.example.com/vapi", True, True),
        ("http://127.0.0.1:8080/vapi", True, True),
        ("http://localhost:8080/vapi", True, True),
        ("http://[::1]:8080/vapi", True, True),
        ("http://callgate:8080/vapi", True, True),
        ("https://localhost/vapi", False, False),
        ("ftp://gate.example.com/vapi", True, False),
        ("gate.example.com/vapi", True, False),
        ("https://gate.example.com:port/", True, False),
        ("https:// gate.example.com/", True, False),
        ("", True, False),
    ],
)
def test_a_webhook_url_has_to_be_one(url: str, allow_http: bool, fits: bool) -> None:
    found = list(dtos.server(allow_http=allow_http)("server", {"url": url}))
    assert (not found) is fits


def test_the_messages_name_field_and_bound() -> None:
    body = {
        "provider": "vapi",
        "name": "x" * 41,
        "server": {"timeoutSeconds": 301, "color": "red"},
        "serverUrl": "https://old.example.com",
    }
    assert list(dtos.phone_number_update(allow_http=False)("", body)) == [
        "name must be shorter than or equal to 40 characters",
        "server.timeoutSeconds must not be greater than 300",
        "server.property color should not exist",
        "property serverUrl should not exist",
    ]
