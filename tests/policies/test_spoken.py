"""Placeholders of spoken texts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.host.marks import BadTextError
from policies.host.spoken import NAMES, PLACEHOLDER, UNKNOWN, check_placeholders


@pytest.mark.parametrize(
    "text", ["Sorry, {organization}: {reason} since {date}.", "", "plain", "{date}{date}"]
)
def test_known_placeholders_are_kept(text: str) -> None:
    assert check_placeholders(text) == text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Hello {company}", "{company}"),
        ("Hello {0}", "{0}"),
        ("Hello {}", "{}"),
        ("Hello {Organization}", "{Organization}"),
        ("Hello {organization", "{organization"),
        ("Hello organization}", "organization}"),
        ("{{organization}}", "{{organization}}"),
        ("a } b", "a } b"),
    ],
)
def test_anything_else_would_be_spoken_and_is_refused(text: str, named: str) -> None:
    with pytest.raises(BadTextError, match=re.escape(named)):
        check_placeholders(text)


PIECES = st.sampled_from([*"{} a", *(f"{{{name}}}" for name in NAMES)])


@given(st.lists(PIECES, max_size=12).map("".join))
def test_what_passes_has_no_brace_left_once_filled(text: str) -> None:
    filled = PLACEHOLDER.sub(lambda match: "" if match[1] in NAMES else match[0], text)
    clean = "{" not in filled and "}" not in filled
    assert clean == (re.search(UNKNOWN, text) is None)
    if clean:
        assert check_placeholders(text) == text
