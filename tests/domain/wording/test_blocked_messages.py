"""What a blocked caller hears: the most particular message, filled in, and never an error."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.host.spoken import MOST_SPOKEN
from service.domain.decisions import CallTerms
from service.domain.handling import BlockedMessage, Handling
from service.domain.organizations import Organization
from service.domain.wording.blocked_messages import (
    format_blocked_message,
)

AT = datetime(2026, 11, 23, tzinfo=UTC)
MESSAGES = (
    BlockedMessage("any"),
    BlockedMessage("any in German", language="de"),
    BlockedMessage("any in Chinese", language="zh"),
    BlockedMessage("any in simplified Chinese", language="zh-Hans"),
    BlockedMessage("trial over", reason="trial_expired"),
    BlockedMessage("trial over in German", reason="trial_expired", language="de"),
    BlockedMessage("trial over in Swiss German", reason="trial_expired", language="de-CH"),
)


def organization(language: str | None = None, **fields: object) -> Organization:
    return Organization(
        UUID(int=1),
        "Bakery",
        handling=Handling(language=language),
        **fields,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("reason", "language", "text"),
    [
        ("plan_ended", None, "any"),
        ("plan_ended", "de", "any in German"),
        ("plan_ended", "fr", "any"),
        ("trial_expired", None, "trial over"),
        ("trial_expired", "de", "trial over in German"),
        ("trial_expired", "de-AT", "trial over in German"),
        ("trial_expired", "de-CH", "trial over in Swiss German"),
        ("trial_expired", "fr", "trial over"),
        ("plan_ended", "zh-Hans-CN", "any in simplified Chinese"),
        ("plan_ended", "zh-TW", "any in Chinese"),
    ],
)
def test_the_most_particular_message_is_said(reason: str, language: str | None, text: str) -> None:
    made = organization(language, blocked_messages=MESSAGES, blocked_message="own")
    assert format_blocked_message(made, reason, "default", AT) == text


def test_without_messages_its_own_sentence_then_the_default() -> None:
    assert format_blocked_message(organization(blocked_message="own"), "x", "default", AT) == "own"
    assert format_blocked_message(organization(), "x", "default", AT) == "default"


def test_placeholders_are_filled_in() -> None:
    made = organization(blocked_message="{organization}: {reason} ({date}). {else} { } {{reason}}")
    assert format_blocked_message(made, "plan_past_due", "", AT) == (
        "Bakery: the plan is past due (2026-11-23). {else} { } {the plan is past due}"
    )
    assert format_blocked_message(made, "abuse_of_line", "", AT).startswith("Bakery: abuse of line")


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        (None, "2026-11-23"),
        ("Asia/Tokyo", "2026-11-24"),
        ("America/Lima", "2026-11-23"),
        ("No/Where", "2026-11-23"),
    ],
)
def test_the_date_is_that_of_the_organizations_time_zone(zone: str | None, day: str) -> None:
    made = organization(blocked_message="{date}", time_zone=zone)
    assert format_blocked_message(made, "x", "", AT.replace(hour=20)) == day


@pytest.mark.parametrize(
    ("until", "words"),
    [
        (None, "later"),
        (AT, "later"),
        (AT.replace(hour=7), "today at 08:00"),
        (AT.replace(hour=23, minute=30), "on 24 November at 00:30"),
        (AT.replace(year=2027, month=1, day=1), "on 1 January 2027 at 01:00"),
    ],
)
def test_callers_hear_when_calls_may_pass_again(until: datetime | None, words: str) -> None:
    made = organization(blocked_message="Call again {until}.", time_zone="Europe/Berlin")
    heard = format_blocked_message(made, "holiday", "", AT, CallTerms(until=until))
    assert heard == f"Call again {words}."


@given(text=st.text(max_size=3000), reason=st.text(max_size=20))
def test_whatever_is_written_is_said_and_short_enough(text: str, reason: str) -> None:
    said = format_blocked_message(organization(blocked_message=text), reason, "default", AT)
    assert 0 < len(said) <= MOST_SPOKEN
    assert said.strip() == said


def test_the_words_of_a_policy_go_before_all_but_those_for_their_reason() -> None:
    made = organization(blocked_messages=MESSAGES, blocked_message="own")
    said = CallTerms("{organization} is closed.")
    assert format_blocked_message(made, "plan_ended", "default", AT, said) == "Bakery is closed."
    assert format_blocked_message(made, "trial_expired", "default", AT, said) == "trial over"
    assert format_blocked_message(organization(), "x", "default", AT, said) == "Bakery is closed."
