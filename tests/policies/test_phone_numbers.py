"""Phone numbers as people paste them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.host.ids import is_vapi_id, parse_vapi_id
from policies.host.marks import BadTextError
from policies.host.phone_numbers import E164, is_phone_like, parse_phone_number, search_digits
from tests.support.attempts import attempt

NUMBER = "+15552000001"


@pytest.mark.parametrize(
    "pasted",
    [
        NUMBER,
        "+1 555 200 0001",
        "+1 (555) 200-0001",
        "+1.555.200.0001",
        "+1-555-200-0001",
        "+1 555\u2011200\u20110001",
        "0015552000001",
        "00 1 555 200 0001",
        "\uff0b\uff11 555 200 0001",
        "\u202a+1\u00a0555\u202f200\u20090001\u202c",
        "\u200b+15552000001\ufeff",
        "tel:+1-555-200-0001",
        "TEL:+15552000001;ext=7",
        "tel:%2B15552000001",
    ],
)
def test_every_spelling_is_the_same_number(pasted: str) -> None:
    assert parse_phone_number(pasted) == NUMBER
    assert search_digits(pasted) == NUMBER[1:]
    assert is_phone_like(pasted) or pasted.lower().startswith("tel:")


@pytest.mark.parametrize(
    "pasted",
    [
        "12345678-1234-4123-8123-123456789012",
        "12345678123441238123123456789012",
        "00345678123441238123123456789012",
        "1234567812344123812312345678901e",
        "1234567e123441238123123456789012",
        "\u200b 12345678-1234-4123-8123-123456789012\ufeff",
    ],
)
def test_a_uuid_of_digits_is_an_id(pasted: str) -> None:
    assert not is_phone_like(pasted)
    assert is_vapi_id(parse_vapi_id(pasted))


def test_the_national_zero_is_left_out() -> None:
    assert parse_phone_number("+49 (0)30 1234567") == "+49301234567"


@pytest.mark.parametrize(
    ("pasted", "remedy"),
    [
        ("(555) 200-0001", "country code"),
        ("5552000001", "country code"),
        ("1.5552E+10", "spreadsheet"),
        ("1,5552e10", "spreadsheet"),
        ("bakery", "E.164"),
        ("+0123456789", "E.164"),
        ("+1555200000123456", "E.164"),
        ("", "E.164"),
        ("sip:front@example.com", "E.164"),
    ],
)
def test_other_texts_are_refused_with_a_remedy(pasted: str, remedy: str) -> None:
    with pytest.raises(BadTextError, match=remedy):
        parse_phone_number(pasted)


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("(555) 200-0001", "5552000001"),
        ("200 0001", "2000001"),
        ("+1 555", "1555"),
        ("555", None),
        ("bakery 5552", None),
        ("", None),
    ],
)
def test_a_part_of_a_number_is_searched_by_its_digits(typed: str, digits: str | None) -> None:
    assert search_digits(typed) == digits


@given(
    st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True),
    st.lists(st.sampled_from([" ", "-", ".", "\u00a0", "\u200b", "\u2011", "/"]), max_size=14),
)
def test_grouping_changes_no_number(number: str, marks: list[str]) -> None:
    """Between digits; the first sign stays the plus."""
    grouped = number[:2] + "".join(
        digit + mark for digit, mark in zip(number[2:], [*marks, *[""] * 20], strict=False)
    )
    assert parse_phone_number(grouped) == number


@given(st.text(max_size=300))
def test_any_text_is_a_number_or_a_clear_refusal(text: str) -> None:
    search_digits(text)
    found, refusal = attempt(parse_phone_number, text)
    assert refusal.isprintable()
    if found is not None:
        assert E164.fullmatch(found)
        assert parse_phone_number(found) == found
