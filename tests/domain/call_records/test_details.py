"""Details of a call: merged in any order, and masked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.call_records.details import (
    CallDetails,
    canonical_number,
    direction_of,
    is_telling,
    mask_number,
    merge_details,
)

TEXTS = st.sampled_from([None, "+4930111", "B", "a"])
DETAILS = st.builds(
    CallDetails,
    customer_number=TEXTS,
    line_number=TEXTS,
    assistant_id=TEXTS,
    connected=st.sampled_from([True, False, None]),
    doubts=st.sampled_from([(), ("cost",), ("cost", "ended_at")]),
)


@given(DETAILS, DETAILS, DETAILS)
def test_details_merge_in_any_order(one: CallDetails, two: CallDetails, three: CallDetails) -> None:
    assert merge_details(one, two) == merge_details(two, one)
    assert merge_details(merge_details(one, two), three) == merge_details(
        one, merge_details(two, three)
    )
    assert merge_details(one, one) == one


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+4915112345678", "+49•••••••5678"),
        ("+15551234567", "+15•••••4567"),
        ("+4930123456", "+49••••3456"),
        ("+493012345", "•••"),
        ("+4930", "•••"),
        ("anonymous", "•••"),
        ("sip:alice@example.com", "•••"),
        (None, None),
    ],
)
def test_a_masked_number_shows_its_country_and_its_last_digits(
    number: str | None, masked: str | None
) -> None:
    assert mask_number(number) == masked


def test_numbers_are_kept_in_e164_and_other_texts_as_they_are() -> None:
    assert canonical_number("+49 (0)30 123-456") == "+4930123456"
    assert canonical_number("anonymous") == "anonymous"
    assert canonical_number(None) is None


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+4915112345678", True),
        ("sip:alice@example.com", True),
        ("SIPS:alice@example.com", True),
        ("alice@example.com", True),
        ("anonymous", False),
        ("Restricted", False),
        ("sip:anonymous@example.com", False),
        ("sip:anonymous@example.com:5060;user=phone", False),
        ("sip:+266696687@example.com", False),
        ("sip:a@anonymous.invalid", False),
        ("sip:a@INVALID:5060", False),
        ("sip:@example.com", False),
        ("<sip:anonymous@example.com>", False),
        ("sip:10.0.0.1", False),
        ("+266696687", False),
        ("100", False),
        ("4915112345678", False),
        ("", False),
    ],
)
def test_a_withheld_number_names_nobody(number: str, *, expected: bool) -> None:
    assert is_telling(number) is expected


def test_the_direction_follows_vapis_type() -> None:
    assert [direction_of(one) for one in ("inboundPhoneCall", "outboundPhoneCall", "webCall")] == [
        "inbound",
        "outbound",
        "web",
    ]
    assert direction_of("vapi.websocketCall") is None
