"""Rules about who calls in: block and allow lists, anonymous callers, and calls per caller.

What the network claims of a caller can be forged: these rules keep nuisance away, they prove nothing.
"""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from policies.contract import (
    AccessPolicy,
    AccessRequest,
    AppliesTo,
    CallFacts,
    Verdict,
    abstain,
    deny,
)
from policies.fields import Diversion, Spoken
from policies.hookspecs import hookimpl
from policies.host.callers import (
    canonical_address,
    canonical_caller,
    number_within,
    without_scheme,
)
from policies.host.marks import shown, without_marks
from policies.host.phone_numbers import parse_phone_number, parse_prefix

REASONS = BLOCKED, ANONYMOUS, NOT_ALLOWED, TOO_OFTEN = (
    "caller_blocked",
    "caller_anonymous",
    "caller_not_allowed",
    "caller_too_often",
)

ADDRESS = re.compile(r"[^\s@*:]{1,100}@[^\s@*]{1,100}")
STARS = ("*", "\uff0a")
MOST_PATTERNS = 5000


def parse_pattern(text: str) -> str:
    """A pasted number, prefix with a star, or SIP address. Raises `ValueError`."""
    plain = without_marks(text)
    if plain.endswith(STARS):
        return f"{parse_prefix(plain[:-1])}*"
    if "@" not in plain:
        return parse_phone_number(plain)
    address = canonical_address(without_scheme(plain.lower()))
    if not ADDRESS.fullmatch(address):
        raise ValueError(
            f"{shown(text)} is no SIP address: write one such as sip:desk@example.com, a number such "
            "as +15550100200, or a prefix such as +1900*"
        )
    return address


Pattern = Annotated[str, AfterValidator(parse_pattern)]
Patterns = Annotated[frozenset[Pattern], Field(max_length=MOST_PATTERNS)]
Count = Annotated[int, Field(ge=0)]


class CallerRulesSettings(BaseModel):
    """The rules; at least one. A caller on the allow list is exempt from all others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    block: Patterns = Field(
        frozenset(),
        description="Callers that are denied: numbers, prefixes (+1900*), SIP addresses.",
    )
    allow: Patterns = Field(frozenset(), description="Callers that no other rule stops.")
    only_allowed: bool = Field(
        default=False, description="Deny all callers that are not on the allow list."
    )
    block_anonymous: bool = Field(
        default=False, description="Deny callers that show no number, on no list."
    )
    calls_per_hour: Count | None = Field(
        None, description="Granted calls of one caller within an hour."
    )
    calls_per_day: Count | None = Field(
        None, description="Granted calls of one caller a day, by the organization's time zone."
    )
    message: Spoken | None = Field(None, description="What a denied caller hears.")
    divert_to: Diversion | None = Field(
        None, description="Where denied calls go instead: a number, or an answer as Vapi takes it."
    )

    @model_validator(mode="after")
    def rules_something(self) -> Self:
        """Raise `ValueError` for settings without a rule."""
        counts = self.calls_per_hour is not None or self.calls_per_day is not None
        if not (self.block or self.only_allowed or self.block_anonymous or counts):
            raise ValueError(
                "give block, only_allowed, block_anonymous, calls_per_hour or calls_per_day"
            )
        return self


class CallerRulesPolicy:
    """Denies inbound calls by their caller; it never grants."""

    name = "caller_rules"
    order = 40
    pure = True
    settings = CallerRulesSettings
    applies_to = AppliesTo(call_types=frozenset({"inboundPhoneCall"}))

    def evaluate(self, request: AccessRequest) -> Verdict:
        """Apply the rules. Where no call is asked about, or not an inbound one, the policy abstains."""
        settings: CallerRulesSettings = request.settings
        call = request.call
        if call is None or call.direction != "inbound":
            return abstain()
        caller = canonical_caller(call.caller_number)
        if caller is not None and matches(caller, settings.allow):
            return abstain(note="the caller is on the allow list")
        reason = find_reason(caller, call, settings)
        if reason is not None:
            return deny(reason, message=settings.message, divert_to=settings.divert_to)
        counts = (settings.calls_per_hour, settings.calls_per_day)
        unknown = caller is not None and call.earlier_calls_today is None
        if unknown and counts != (None, None):
            return abstain(note="the caller's earlier calls are unknown")
        return abstain()


def find_reason(caller: str | None, call: CallFacts, settings: CallerRulesSettings) -> str | None:
    """Why a caller is denied; None: no rule stops it. `caller` None: an anonymous one."""
    if caller is None:
        hidden = settings.block_anonymous or settings.only_allowed
        return ANONYMOUS if hidden else None
    within = number_within(caller)
    if matches(caller, settings.block) or (within and matches(within, settings.block)):
        return BLOCKED
    if settings.only_allowed:
        return NOT_ALLOWED
    counted = (
        (call.earlier_calls_hour, settings.calls_per_hour),
        (call.earlier_calls_today, settings.calls_per_day),
    )
    if any(None not in (had, most) and had >= most for had, most in counted):  # type: ignore[operator]
        return TOO_OFTEN
    return None


def matches(caller: str, patterns: frozenset[str]) -> bool:
    """Whether a number or address is on a list: a number also by one of its prefixes. Of an address, any
    caller can choose what comes before the @."""
    if not patterns or "@" in caller:
        return caller in patterns
    prefixes = (f"{caller[:length]}*" for length in range(2, len(caller) + 1))
    return caller in patterns or any(one in patterns for one in prefixes)


@hookimpl
def register_access_policies() -> list[AccessPolicy]:
    """Enter the chain like any other plugin."""
    return [CallerRulesPolicy()]
