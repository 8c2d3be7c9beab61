"""Builds the immutable access request for the chain from stored rows."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from policies.contract import (
    AccessRequest,
    CallFacts,
    Direction,
    OrganizationFacts,
    PhoneNumberFacts,
    Purpose,
)
from policies.host.facts import freeze_mapping
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber


def build_request(
    organization: Organization,
    at: datetime,
    phone_number: PhoneNumber | None = None,
    call: CallFacts | None = None,
    purpose: Purpose = "call",
) -> AccessRequest:
    """The access request for an organization at an instant; number and call if known."""
    number = None
    if phone_number is not None:
        number = PhoneNumberFacts(
            phone_number.id,
            phone_number.vapi_phone_number_id,
            phone_number.number,
            phone_number.label,
        )
    return AccessRequest(
        at=at,
        organization=OrganizationFacts(
            organization.id,
            organization.name,
            organization.external_id,
            freeze_mapping(organization.attributes),
            organization.time_zone,
        ),
        plan=organization.plan,
        trial=organization.trial,
        override=organization.override,
        phone_number=number,
        call=call and describe_call(call, phone_number),
        purpose=purpose,
    )


DIRECTIONS: Mapping[str, Direction] = {
    "inboundPhoneCall": "inbound",
    "outboundPhoneCall": "outbound",
    "webCall": "web",
    "vapi.websocketCall": "web",
}
"""By Vapi's types of calls."""


def describe_call(given: CallFacts, phone_number: PhoneNumber | None) -> CallFacts:
    """The call with its direction and both numbers. Vapi calls the other party `customer`, whichever
    side it is on; `given` has its number as that of the caller."""
    direction = DIRECTIONS.get(given.type or "")
    ours, theirs = phone_number.number if phone_number else None, given.caller_number
    caller, called = (ours, theirs) if direction == "outbound" else (theirs, ours)
    return replace(given, caller_number=caller, called_number=called, direction=direction)


def complete_call(given: CallFacts, phone_number: PhoneNumber | None) -> CallFacts:
    """A supposed call with its direction; its numbers stand already on their sides. Where the one on
    the organization's side is absent, it is the registered number."""
    direction = DIRECTIONS.get(given.type or "")
    ours = phone_number.number if phone_number else None
    caller, called = given.caller_number, given.called_number
    if direction == "outbound":
        caller = caller or ours
    else:
        called = called or ours
    return replace(given, caller_number=caller, called_number=called, direction=direction)
