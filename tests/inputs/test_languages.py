"""Language tags as people paste them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.host.marks import BadTextError
from service.inputs.languages import LANGUAGE_TAG, parse_language


@pytest.mark.parametrize(
    ("pasted", "tag"),
    [
        ("en", "en"),
        ("EN-gb", "en-GB"),
        ("es-419", "es-419"),
        ("zh-hans", "zh-Hans"),
        ("hi-Latn", "hi-Latn"),
        ("zh_Hant_TW", "zh-Hant-TW"),
        ("pt_BR.UTF-8", "pt-BR"),
        (" ca-ES-valencia\n", "ca-ES-valencia"),
        ("de-1996", "de-1996"),
        ("fil-PH", "fil-PH"),
    ],
)
def test_tags_are_understood(pasted: str, tag: str) -> None:
    assert parse_language(pasted) == tag == parse_language(tag)


@pytest.mark.parametrize("pasted", ["", "e", "english", "en-", "-GB", "en GB", "de-1", "x" * 300])
def test_other_texts_are_refused_with_a_remedy(pasted: str) -> None:
    with pytest.raises(BadTextError):
        parse_language(pasted)


@given(st.from_regex(LANGUAGE_TAG, fullmatch=True).filter(lambda text: len(text) <= 35))
def test_the_documented_pattern_is_what_is_accepted(tag: str) -> None:
    assert parse_language(tag) == parse_language(parse_language(tag))
