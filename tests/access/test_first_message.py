"""Which messages prove the control URL that they carry."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from service.access.directory import Registration
from service.access.first_message import proves_url
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber
from service.vapi.messages import ServerMessage

OWNER = Organization(UUID(int=1), "Bakery")
NUMBER = Registration(OWNER, PhoneNumber(uuid4(), OWNER.id, "number-1"))
MESSAGE: dict[str, Any] = {
    "type": "status-update",
    "call_id": "call",
    "phone_number_ids": ("number-1",),
    "control_url": "https://control.vapi.ai/call",
}


@pytest.mark.parametrize(
    ("changes", "registration", "proved", "proves"),
    [
        ({}, NUMBER, OWNER.id, True),
        ({}, NUMBER, None, False),
        ({}, NUMBER, UUID(int=2), False),
        ({"control_url": None}, NUMBER, OWNER.id, False),
        ({"phone_number_ids": ("number-1", "number-2")}, NUMBER, OWNER.id, False),
        ({"phone_number_ids": ()}, Registration(OWNER, None), OWNER.id, False),
        ({}, None, OWNER.id, False),
    ],
)
def test_only_the_own_secret_and_the_own_number_prove_a_control_url(
    changes: dict[str, Any], registration: Registration | None, proved: UUID | None, *, proves: bool
) -> None:
    message = ServerMessage(**{**MESSAGE, **changes})
    assert proves_url(message, registration, proved) is proves
