"""Vapi's published rules for request bodies: phone numbers of every provider, assistants, servers,
hooks and transfer destinations. The tests check them against the spec."""

from collections.abc import Mapping
from functools import cache

from service.sandbox.message_types import ENDING_REASONS, MESSAGE_TYPES, OTHER_ASSISTANT_FIELDS
from service.sandbox.rules import (
    ByKey,
    Either,
    Fields,
    Many,
    Number,
    Rule,
    Text,
    WebAddress,
    any_object,
    anything,
    flag,
    string_map,
)

TEXT = Text()
BACKOFF_PLAN = Fields(
    {
        "type": Text(choices=("fixed", "exponential")),
        "maxRetries": Number(0, 10),
        "baseDelaySeconds": Number(0, 10),
        "excludedStatusCodes": Many(Number(whole=True)),
    },
    required=("type", "maxRetries", "baseDelaySeconds"),
)
MONITOR_PLAN = Fields(
    {
        "listenEnabled": flag,
        "listenAuthenticationEnabled": flag,
        "controlEnabled": flag,
        "controlAuthenticationEnabled": flag,
        "monitorIds": Many(TEXT),
    }
)
# Every mode of a transfer plan has its own fields; the sandbox reads none of them.
DESTINATION = ByKey(
    "type",
    {
        "number": Fields(
            {
                "type": TEXT,
                "message": Either(TEXT, any_object),
                "numberE164CheckEnabled": flag,
                "number": Text(40, 3),
                "extension": Text(10, 1),
                "callerId": Text(40),
                "transferPlan": any_object,
                "description": TEXT,
            },
            required=("type", "number"),
        ),
        "sip": Fields(
            {
                "type": TEXT,
                "message": Either(TEXT, any_object),
                "sipUri": TEXT,
                "callerId": Text(40),
                "transferPlan": any_object,
                "sipHeaders": any_object,
                "description": TEXT,
            },
            required=("type", "sipUri"),
        ),
    },
)
HOOK_ACTION = ByKey(
    "type",
    {
        "say": Fields({"type": TEXT, "exact": Text(4000)}, required=("type", "exact")),
        "transfer": Fields({"type": TEXT, "destination": DESTINATION}, required=("type",)),
    },
)
RINGING_FILTER = Fields(
    {
        "type": Text(choices=("startsWith",)),
        "key": Text(choices=("number",)),
        "startsWith": Many(Text(20), most=20),
    },
    required=("type", "key", "startsWith"),
)
ENDING_FILTER = Fields(
    {
        "type": Text(choices=("oneOf",)),
        "key": Text(choices=("call.endedReason",)),
        "oneOf": Many(Text(choices=ENDING_REASONS)),
    },
    required=("type", "key", "oneOf"),
)
# The spec has an array under `do` for a ringing hook and a single object for an ending one.
HOOK = ByKey(
    "on",
    {
        "call.ringing": Fields(
            {"on": TEXT, "filters": Many(RINGING_FILTER), "do": Many(HOOK_ACTION)},
            required=("on", "do"),
        ),
        "call.ending": Fields(
            {"on": TEXT, "filters": Many(ENDING_FILTER), "do": HOOK_ACTION}, required=("on",)
        ),
    },
)
SIP_AUTHENTICATION = Fields(
    {"realm": TEXT, "username": Text(40, 20), "password": Text(40, 20)},
    required=("username", "password"),
)
TWILIO = dict.fromkeys(
    ("number", "twilioAccountSid", "twilioAuthToken", "twilioApiKey", "twilioApiSecret"), TEXT
)
# Fields of a PATCH beside those that all providers share.
OWN_FIELDS: Mapping[str, dict[str, Rule]] = {
    "vapi": {"sipUri": TEXT, "authentication": SIP_AUTHENTICATION},
    "twilio": {"smsEnabled": flag, **TWILIO},
    "vonage": {"number": TEXT, "credentialId": TEXT},
    "telnyx": {"number": TEXT, "credentialId": TEXT},
    "byo-phone-number": {
        "numberE164CheckEnabled": flag,
        "number": Text(40, 3),
        "credentialId": TEXT,
    },
}
REQUIRED_TO_CREATE: Mapping[str, tuple[str, ...]] = {
    "vapi": (),
    "twilio": ("number", "twilioAccountSid"),
    "vonage": ("number", "credentialId"),
    "telnyx": ("number", "credentialId"),
    "byo-phone-number": ("credentialId",),
}


def server(*, allow_http: bool) -> Fields:
    """The rule of a `server` block."""
    return Fields(
        {
            "url": WebAddress(allow_http),
            "timeoutSeconds": Number(1, 300),
            "credentialId": TEXT,
            "staticIpAddressesEnabled": flag,
            "encryptedPaths": Many(TEXT),
            "headers": string_map,
            "backoffPlan": BACKOFF_PLAN,
        }
    )


def shared_fields(*, allow_http: bool) -> dict[str, Rule]:
    """The fields that numbers of all providers share."""
    return {
        "fallbackDestination": DESTINATION,
        "hooks": Many(HOOK),
        "provider": TEXT,
        "name": Text(40),
        "assistantId": TEXT,
        "workflowId": TEXT,
        "squadId": TEXT,
        "server": server(allow_http=allow_http),
    }


@cache
def phone_number_update(*, allow_http: bool) -> Rule:
    """`Update<Provider>PhoneNumberDTO`, chosen by `provider`."""
    shared = shared_fields(allow_http=allow_http)
    return ByKey("provider", {kind: Fields(shared | own) for kind, own in OWN_FIELDS.items()})


@cache
def phone_number_create(*, allow_http: bool) -> Rule:
    """`Create<Provider>PhoneNumberDTO`, chosen by `provider`."""
    shared = shared_fields(allow_http=allow_http)
    kinds: dict[str, Rule] = {
        kind: Fields(shared | own, REQUIRED_TO_CREATE[kind]) for kind, own in OWN_FIELDS.items()
    }
    bought = {"numberDesiredAreaCode": Text(3, 3)}
    kinds["vapi"] = Fields(shared | OWN_FIELDS["vapi"] | bought)
    return ByKey("provider", kinds)


@cache
def assistant(*, allow_http: bool) -> Fields:
    """`UpdateAssistantDTO`: validated where a gate would write, passed through elsewhere."""
    rules: dict[str, Rule] = dict.fromkeys(OTHER_ASSISTANT_FIELDS, anything)
    rules |= {
        "serverMessages": Many(Text(choices=MESSAGE_TYPES)),
        "maxDurationSeconds": Number(10, 43_200),
        "name": Text(40),
        "metadata": any_object,
        "monitorPlan": MONITOR_PLAN,
        "server": server(allow_http=allow_http),
    }
    return Fields(rules)


@cache
def assistant_overrides(*, allow_http: bool) -> Fields:
    """`AssistantOverrides`: an assistant's fields and template variables."""
    rules = dict(assistant(allow_http=allow_http).rules)
    rules |= {"variableValues": any_object, "tools:append": anything}
    return Fields(rules)
