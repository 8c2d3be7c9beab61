"""What a policy may bring along: settings, a start and a stop, what it applies to, and what a verdict
carries."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, SecretStr

from policies import (
    API_VERSION,
    AccessRequest,
    AppliesTo,
    CallFacts,
    PolicyContext,
    Verdict,
    abstain,
    allow,
    deny,
    policy,
)
from policies.host.registration import RegisteredPolicy, UnfitPolicyError, fit_policy
from policies.host.settings import (
    UnfitSettingsError,
    list_unknown,
    read_policy_settings,
)
from policies.testing import NOW, request
from service.access.directory import AccessDirectory
from service.access.policies.chain import AccessChain
from service.access.policies.preview import ChainPreview
from service.access.policies.request import build_request
from service.access.standings import AccessStandings
from service.admin.organizations.access import OrganizationAccess
from service.domain.decisions import Decision
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber
from service.store.calls.decisions import dump_decision, load_decision


def fit(candidate: object) -> RegisteredPolicy:
    return fit_policy(candidate, "third-party", "1")


async def decide(candidate: object, asked: AccessRequest | None = None) -> Decision:
    return await AccessChain([fit(candidate)]).decide(asked or request(), basis="fresh")


async def test_a_function_is_a_policy() -> None:
    @policy(order=50, pure=True, on_failure="deny")
    def fair_use(asked: AccessRequest) -> Verdict:
        return deny("fair_use_exceeded") if asked.organization.attributes else abstain()

    registered = fit(fair_use)
    assert (registered.name, registered.order, registered.pure) == ("fair_use", 50, True)
    assert (await decide(fair_use, request(attributes={"a": 1}))).reason == "fair_use_exceeded"


@pytest.mark.parametrize("version", [0, API_VERSION + 1, "1", True, None])
def test_a_policy_for_another_version_is_refused(version: object) -> None:
    odd = SimpleNamespace(name="odd", order=1, evaluate=lambda _: abstain(), api_version=version)
    with pytest.raises(UnfitPolicyError, match=f"this Callgate has version {API_VERSION}"):
        fit(odd)


class Limits(BaseModel):
    most: int
    words: list[str] = []
    key: SecretStr = SecretStr("")


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret-from-a-file\n")
    found = read_policy_settings(
        "fair_use",
        Limits,
        {
            "CALLGATE_POLICY_FAIR_USE_MOST": " 5 ",
            "CALLGATE_POLICY_FAIR_USE_WORDS": '["a", "b"]',
            "CALLGATE_POLICY_FAIR_USE_KEY_FILE": str(tmp_path / "key"),
        },
    )
    assert isinstance(found.default, Limits)
    assert (found.default.most, found.default.words) == (5, ["a", "b"])
    assert found.default.key.get_secret_value() == "secret-from-a-file"
    assert found.merged({"most": 7}).model_dump()["most"] == 7


def test_unfit_settings_are_refused_without_their_values() -> None:
    given = {"CALLGATE_POLICY_FAIR_USE_MOST": "hunter2"}
    with pytest.raises(UnfitSettingsError) as caught:
        read_policy_settings("fair_use", Limits, given)
    assert "CALLGATE_POLICY_FAIR_USE_MOST" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_misspelt_settings_are_named() -> None:
    variables = ["CALLGATE_POLICY_FAIR_USE_MOST", "CALLGATE_POLICY_FAIR_USE_MOSTT", "HOME"]
    assert list_unknown({"fair_use": Limits}, (), variables) == ["CALLGATE_POLICY_FAIR_USE_MOSTT"]


async def test_a_policy_sees_its_own_settings_and_sleeps_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []

    @policy(order=50, pure=True, settings=Limits)
    def limited(asked: AccessRequest) -> Verdict:
        seen.append(asked.settings)
        return allow("limited")

    decision = await decide(limited)
    assert (decision.trace[0].effect, decision.trace[0].reason) == ("skipped", "not_configured")
    assert seen == []
    monkeypatch.setenv("CALLGATE_POLICY_LIMITED_MOST", "3")
    assert (await decide(limited)).reason == "limited"
    assert seen == [Limits(most=3)]


@pytest.mark.parametrize(
    ("call", "purpose", "asked"),
    [
        (CallFacts("c", "outboundPhoneCall"), "call", True),
        (CallFacts("c", "inboundPhoneCall"), "call", False),
        (CallFacts("c"), "call", True),
        (None, "preview", True),
        (None, "ring_gate", False),
    ],
)
async def test_a_policy_is_asked_about_what_it_applies_to(
    call: CallFacts | None, purpose: Any, asked: bool
) -> None:
    @policy(order=50, pure=True, applies_to=AppliesTo(call_types=frozenset({"outboundPhoneCall"})))
    def outbound(_asked: AccessRequest) -> Verdict:
        return allow("outbound")

    decision = await decide(outbound, request(call=call, purpose=purpose))
    assert decision.allowed is asked
    if not asked:
        assert decision.trace[0].reason == "not_applicable"


async def test_a_verdict_carries_words_and_an_end() -> None:
    until = datetime(2026, 1, 15, 18, tzinfo=ZoneInfo("Europe/Berlin"))

    @policy(order=50, pure=True)
    def open_now(_asked: AccessRequest) -> Verdict:
        return allow("open", until=until, warning="Closes soon", note="3 of 5 lines in use")

    decision = await decide(open_now)
    assert decision.until == until
    assert decision.until.tzinfo is UTC
    (entry,) = decision.trace
    assert (entry.warning, entry.note) == ("Closes soon", "3 of 5 lines in use")
    stored = load_decision(dump_decision(decision))
    assert stored == replace(decision, until=None)


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Pacific/Auckland"])
async def test_an_end_in_the_far_future_is_none(zone: str) -> None:
    """Policies write "never" as the last instant there is, which need not exist in UTC."""

    @policy(order=50, pure=True)
    def for_ever(_asked: AccessRequest) -> Verdict:
        return allow("open", until=datetime.max.replace(tzinfo=ZoneInfo(zone)))

    decision = await decide(for_ever)
    assert (decision.allowed, decision.until) == (True, None)


@pytest.mark.parametrize(
    "verdict",
    [
        allow("x", note="two\nlines"),
        allow("x", warning="x" * 201),
        allow("x", note=7),  # type: ignore[arg-type]
        allow("x", until=datetime(2026, 1, 1)),  # noqa: DTZ001
        allow("x", until="soon"),  # type: ignore[arg-type]
    ],
)
async def test_what_cannot_be_kept_is_a_failure(verdict: Verdict) -> None:
    @policy(order=50, pure=True)
    def odd(_asked: AccessRequest) -> Verdict:
        return verdict

    assert (await decide(odd)).trace[0].effect == "failed"


class Opened:
    """A policy with a start and a stop."""

    name = "opened"
    order = 50
    pure = True

    def __init__(self, *, fails: bool = False, hangs: bool = False) -> None:
        self.fails, self.hangs = fails, hangs
        self.events: list[str] = []

    async def start(self, context: PolicyContext) -> None:
        self.events.append(f"start {context.name}")
        if self.hangs:
            await asyncio.sleep(60)
        if self.fails:
            raise RuntimeError("no connection to hunter2")

    def stop(self) -> None:
        self.events.append("stop")

    def evaluate(self, _request: AccessRequest) -> Verdict:
        return allow("opened")


async def test_a_policy_is_started_once_and_stopped() -> None:
    opened = Opened()
    chain = AccessChain([fit(opened)])
    await chain.start()
    await chain.start()
    assert (await chain.decide(request(), basis="fresh")).reason == "opened"
    await chain.stop()
    assert opened.events == ["start opened", "stop"]


@pytest.mark.parametrize("fault", ["fails", "hangs"])
async def test_a_policy_whose_start_fails_leaves_the_chain(fault: str) -> None:
    chain = AccessChain([fit(Opened(**{fault: True})), fit(Plain())])
    chain.start_seconds = 0.3
    began = time.monotonic()
    await chain.start()
    assert time.monotonic() - began < 5
    assert [policy.name for policy in chain.describe()] == ["plain"]
    (problem,) = chain.problems
    assert problem.message.startswith("opened: its start failed")


class Plain:
    """A policy without anything optional."""

    name = "plain"
    order = 1

    def evaluate(self, _request: AccessRequest) -> Verdict:
        return abstain()


def test_numbers_are_right_for_outbound_calls() -> None:
    """Vapi calls the other party the customer, whichever side it is on."""
    number = PhoneNumber(UUID(int=2), UUID(int=1), "pn", number="+15550100")
    organization = Organization(UUID(int=1), "Bakery")
    for call_type, caller, called, direction in (
        ("inboundPhoneCall", "+4930", "+15550100", "inbound"),
        ("outboundPhoneCall", "+15550100", "+4930", "outbound"),
    ):
        facts = CallFacts("c", call_type, "+4930")
        asked = build_request(organization, NOW, number, facts)
        assert asked.call is not None
        assert (asked.call.caller_number, asked.call.called_number) == (caller, called)
        assert asked.call.direction == direction


async def test_until_reaches_what_acts_on_access() -> None:
    """The ring gate, the cutter and the upcoming changes look again when a verdict ends."""
    opens = NOW + timedelta(minutes=90)

    @policy(order=50, pure=True)
    def hours(asked: AccessRequest) -> Verdict:
        return allow("open") if asked.at >= opens else deny("closed", until=opens)

    chain = AccessChain([fit(hours)])
    organization = Organization(UUID(int=1), "Bakery")
    standing = await AccessStandings(None, chain, "Closed.", True).evaluate(organization, NOW)  # type: ignore[arg-type]
    assert (standing.allowed, standing.changes_at) == (False, opens)
    assert standing.changes_in == 90 * 60

    class Stored:
        async def at_time(self, found: Organization, at: datetime | None) -> Organization:
            return found

    preview = ChainPreview(chain, AccessDirectory())
    cases = OrganizationAccess(Stored(), preview)  # type: ignore[arg-type]
    explained = await cases.explain_stored(organization, NOW)
    assert [(turn.at, turn.decision.reason) for turn in explained.turns] == [(opens, "open")]
