"""The sample data of `callgate serve --sandbox`, always with the same ids.

Plans and trials are written into the service by `seeding`; the sandbox itself has numbers and
assistants only.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import NAMESPACE_DNS, uuid5

from policies.entitlements import PlanStatus
from service.sandbox.account import World
from service.sandbox.clock import to_iso
from service.sandbox.collection import Json

CREATED_MS = 1_767_225_600_000


def sample_id(name: str) -> str:
    """An id that is the same in every sandbox."""
    return str(uuid5(NAMESPACE_DNS, f"{name}.sandbox.callgate.example"))


BLOCKED_NUMBER = sample_id("blocked-bakery")
PAYING_NUMBER = sample_id("paying-pizza")
TRIAL_NUMBER = sample_id("trial-tailor")
SPARE_NUMBERS = tuple(sample_id(f"spare-{index}") for index in range(1, 6))
ORDER_TAKER = sample_id("order-taker")
SHADOWING_ASSISTANT = sample_id("shadowing-assistant")


@dataclass(frozen=True, slots=True)
class SampleOrganization:
    """A sample organization and its entitlements. `trial_ends_in` counts from the seeding."""

    name: str
    external_id: str
    vapi_phone_number_id: str
    blocked_message: str | None = None
    plan_code: str | None = None
    plan_status: PlanStatus | None = None
    trial_ends_in: timedelta | None = None


SAMPLE_ORGANIZATIONS = (
    SampleOrganization(
        "Blocked Bakery",
        "sample-blocked-bakery",
        BLOCKED_NUMBER,
        blocked_message="Blocked Bakery cannot take calls at the moment. Goodbye.",
    ),
    SampleOrganization(
        "Paying Pizza",
        "sample-paying-pizza",
        PAYING_NUMBER,
        plan_code="pro",
        plan_status="active",
    ),
    SampleOrganization(
        "Trial Tailor", "sample-trial-tailor", TRIAL_NUMBER, trial_ends_in=timedelta(days=14)
    ),
)


def sample_assistants() -> list[Json]:
    """An assistant without a server, and one whose own server shadows the number's webhook."""
    common = {
        "model": {"provider": "openai", "model": "gpt-4o-mini"},
        "voice": {"provider": "vapi", "voiceId": "Elliot"},
        "firstMessage": "Thank you for calling. How may I help you?",
    }
    return [
        {"id": ORDER_TAKER, "name": "Order taker", **common},
        {
            "id": SHADOWING_ASSISTANT,
            "name": "Assistant with its own server",
            "server": {"url": "https://assistant.example.com/vapi", "timeoutSeconds": 20},
            **common,
        },
    ]


def sample_numbers() -> list[Json]:
    """Three numbers of sample organizations, and spare ones of every provider."""
    credential = sample_id("carrier-credential")
    spare = SPARE_NUMBERS
    return [
        vapi(BLOCKED_NUMBER, "Blocked Bakery", 1, {"assistantId": ORDER_TAKER}),
        vapi(PAYING_NUMBER, "Paying Pizza", 2, {"assistantId": ORDER_TAKER}),
        vapi(TRIAL_NUMBER, "Trial Tailor", 3, {"assistantId": ORDER_TAKER}),
        vapi(spare[0], "Spare, nothing attached", 4, {}),
        vapi(spare[1], "Spare, shadowed", 5, {"assistantId": SHADOWING_ASSISTANT}),
        {
            "id": spare[2],
            "provider": "twilio",
            "name": "Spare Twilio line",
            "number": "+15550100206",
            "twilioAccountSid": "AC00000000000000000000000000000000",
            "assistantId": ORDER_TAKER,
            "server": {"url": "https://old.example.com/vapi", "timeoutSeconds": 30},
        },
        {
            "id": spare[3],
            "provider": "vonage",
            "name": "Spare Vonage line",
            "number": "+15550100207",
            "credentialId": credential,
        },
        {
            "id": spare[4],
            "provider": "telnyx",
            "name": "Spare Telnyx line",
            "number": "+15550100208",
            "credentialId": credential,
            "serverUrl": "https://legacy.example.com/vapi",
        },
        {
            "id": sample_id("spare-6"),
            "provider": "byo-phone-number",
            "name": "Spare SIP trunk",
            "number": "+15550100209",
            "numberE164CheckEnabled": True,
            "credentialId": credential,
        },
    ]


def vapi(number_id: str, name: str, index: int, attached: Json) -> Json:
    """A number bought from Vapi."""
    number = {"id": number_id, "provider": "vapi", "name": name}
    return number | {"number": f"+1555010020{index}"} | attached


def seed(world: World) -> None:
    """Add the sample data to an empty sandbox."""
    for index, assistant in enumerate(sample_assistants()):
        at = to_iso(CREATED_MS + index)
        world.add_assistant(**assistant, createdAt=at, updatedAt=at)
    for index, number in enumerate(sample_numbers()):
        at = to_iso(CREATED_MS + 60_000 * (index + 1))
        world.add_number(**number, createdAt=at, updatedAt=at)
