"""Ids of Vapi as people paste them."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.host.ids import VAPI_ID, canonical_id, is_vapi_id, parse_id_query, parse_vapi_id
from policies.host.marks import MARKS, BadTextError
from tests.support.attempts import attempt

ID = "3f6c2a10-7f3e-4c56-9d0b-1a2b3c4d5e6f"


@pytest.mark.parametrize(
    "pasted",
    [
        ID,
        ID.upper(),
        f" {ID}\n",
        f"\ufeff{ID}\u200b",
        f"{ID[:8]}\u200b{ID[8:]}",
        ID.replace("-", ""),
        ID.replace("-", "").upper(),
        f"\u00a0{ID.title()}\u2060",
    ],
)
def test_every_spelling_of_a_uuid_is_the_same_id(pasted: str) -> None:
    assert parse_vapi_id(pasted) == parse_id_query(pasted) == ID


@pytest.mark.parametrize(
    ("pasted", "remedy"),
    [
        ("+15551234567", "beside the phone number"),
        (f"https://dashboard.vapi.ai/phone-numbers/{ID}", "not an address"),
        ("", "such as"),
        ("two words", "such as"),
        ("x" * 101, "alone"),
        ("\u202eabc def", "such as"),
    ],
)
def test_other_texts_are_refused_with_a_remedy(pasted: str, remedy: str) -> None:
    with pytest.raises(BadTextError, match=remedy) as caught:
        parse_vapi_id(pasted)
    assert str(caught.value).isprintable()


def test_other_ids_keep_their_case() -> None:
    assert parse_vapi_id("pn_AbC.1:2") == "pn_AbC.1:2"
    assert canonical_id("G" * 32) == "G" * 32


@given(st.uuids(), st.sampled_from([str.upper, str.lower, str.title, str.swapcase]))
def test_a_uuid_is_found_in_any_case(value: UUID, spell: object) -> None:
    assert callable(spell)
    assert canonical_id(spell(str(value))) == canonical_id(spell(value.hex)) == str(value)


@given(st.from_regex(f"[{MARKS} \t]{{0,3}}{VAPI_ID}[{MARKS}\n]{{0,3}}", fullmatch=True))
def test_parsing_twice_changes_nothing_more(text: str) -> None:
    if len(text) <= 100:
        found = parse_vapi_id(text)
        assert is_vapi_id(found)
        assert parse_vapi_id(found) == found


@given(st.text(max_size=150))
def test_any_text_is_an_id_or_a_clear_refusal(text: str) -> None:
    found, refusal = attempt(parse_vapi_id, text)
    assert refusal.isprintable() if found is None else is_vapi_id(found)
    assert parse_id_query(text) == parse_id_query(parse_id_query(text))
