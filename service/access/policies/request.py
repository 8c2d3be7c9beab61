"""Builds the immutable access request for the chain from stored rows."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from policies.contract import AccessRequest, CallFacts, OrganizationFacts, PhoneNumberFacts
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber


def build_request(
    organization: Organization,
    at: datetime,
    phone_number: PhoneNumber | None = None,
    call: CallFacts | None = None,
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
        ),
        plan=organization.plan,
        trial=organization.trial,
        override=organization.override,
        phone_number=number,
        call=call,
    )


def freeze(value: object) -> object:
    """The same value, deeply immutable."""
    if isinstance(value, Mapping):
        return freeze_mapping(value)
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    return value


def freeze_mapping(given: Mapping[str, object]) -> Mapping[str, object]:
    """A read-only copy, deeply immutable."""
    return MappingProxyType({key: freeze(item) for key, item in given.items()})
