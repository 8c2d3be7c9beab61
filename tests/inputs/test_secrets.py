"""Secrets as people paste them."""

import pytest

from policies.host.marks import BadTextError
from service.inputs.secrets import parse_secret, parse_secrets

SECRET = "c0ffee-c0ffee-c0ffee-c0ffee"


@pytest.mark.parametrize(
    "pasted",
    [SECRET, f"{SECRET}\n", f" {SECRET}\r\n", f'"{SECRET}"', f"'{SECRET}' ", f"“{SECRET}”",
     f"Bearer {SECRET}", f"\ufeff{SECRET}\u200b", f'"Bearer {SECRET}"\n'],
)  # fmt: skip
def test_what_surrounds_a_secret_is_left_out(pasted: str) -> None:
    assert parse_secret(pasted) == SECRET


@pytest.mark.parametrize(
    "pasted",
    [f"{SECRET},second", f'"{SECRET}, second"', f"'{SECRET},second'\n", f"“{SECRET} , second,”",
     f'"{SECRET}","second"', f'"{SECRET}",second', f"'\"{SECRET}\",\"second\"'"],
)  # fmt: skip
def test_quotes_may_surround_a_secret_or_the_whole_list(pasted: str) -> None:
    assert parse_secrets(pasted) == [SECRET, "second"]


def test_a_list_of_nothing_is_empty() -> None:
    assert [parse_secrets(pasted) for pasted in ("", " ", '""', '"', ",")] == [
        [],
        [],
        [],
        ['"'],
        [],
    ]


def test_a_phrase_keeps_its_spaces() -> None:
    assert parse_secret(" correct horse battery staple ") == "correct horse battery staple"


@pytest.mark.parametrize("pasted", ["first\nsecond", "schlüssel-wort", "a\tb-c", "a\u200bb-c"])
def test_what_no_header_carries_is_refused_and_not_repeated(pasted: str) -> None:
    with pytest.raises(BadTextError) as caught:
        parse_secret(pasted)
    assert not any(word in str(caught.value) for word in ("second", "wort", "b-c"))
