"""Names and longer texts as people paste them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.host.marks import BadTextError
from service.inputs.names import parse_name, parse_query, parse_text
from tests.support.attempts import attempt


@pytest.mark.parametrize(
    "pasted",
    [
        "Café Zürich",
        unicodedata.normalize("NFD", "Café Zürich"),
        "  Café  Zürich ",
        "Café\u00a0Zürich",
        "\tCafé \u2003 Zürich\n",
        "\ufeffCafé Zürich\u200b",
        "Café\u3000Zürich",
    ],
)
def test_names_that_look_the_same_are_the_same(pasted: str) -> None:
    assert parse_name(pasted) == parse_query(pasted) == "Café Zürich"


@pytest.mark.parametrize("pasted", ["", "  ", "\u200b", "\u3164", "a\u202eb", "a\x00b", "\ud800"])
def test_invisible_names_are_refused(pasted: str) -> None:
    with pytest.raises(BadTextError):
        parse_name(pasted)


def test_scripts_keep_their_joiners() -> None:
    assert parse_name("می\u200cخواهم") == "می\u200cخواهم"


def test_a_text_is_trimmed_and_otherwise_kept() -> None:
    assert parse_text(" Say:  hello \n") == "Say:  hello"
    for hidden in ("\u202e", "a\nb", " "):
        with pytest.raises(BadTextError):
            parse_text(hidden)


@given(st.text(max_size=200))
def test_parsing_twice_changes_nothing_more(text: str) -> None:
    assert parse_query(text) == parse_query(parse_query(text))
    name, refusal = attempt(parse_name, text)
    assert refusal.isprintable()
    if name is not None:
        assert parse_name(name) == name == parse_query(text)
