"""URLs as people paste them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.host.marks import BadTextError
from service.inputs.urls import canonical_url, parse_url, parse_webhook_url, same_url
from tests.support.attempts import attempt

PATH = "/api/vapi/webhook"
URL = f"https://calls.agency.net{PATH}"


@pytest.mark.parametrize(
    "pasted",
    [
        URL,
        f" {URL}\n",
        f"{URL}/",
        f"HTTPS://Calls.Agency.NET:443{PATH}//",
        "https://calls.agency.net",
        "https://calls.agency.net/",
        f"https://calls.agency.net{PATH}#top",
        "https://calls.agency.net/%61pi/vapi/web%68ook",
        f"\ufeff{URL}\u200b",
    ],
)
def test_every_spelling_is_the_same_webhook(pasted: str) -> None:
    assert parse_webhook_url(pasted, PATH) == URL


def test_other_paths_and_queries_are_kept() -> None:
    assert (
        parse_webhook_url("https://h.example.com?key=1", PATH)
        == f"https://h.example.com{PATH}?key=1"
    )
    assert parse_webhook_url("http://10.0.0.1/hook/", PATH) == "http://10.0.0.1/hook/"
    assert parse_webhook_url(f"{URL}/?key=A%2fb", PATH) == f"{URL}?key=A/b"
    assert parse_url("https://bücher.example/ä") == "https://xn--bcher-kva.example/%C3%A4"


@pytest.mark.parametrize(
    "pasted",
    ["", "calls.agency.net", "ftp://a.b/", "https://", "https://[::1", "https://a.b:x/", "/hook",
     "https://user:pw@a.b/", "https://a.b/x\ny", "https://a b/", "https://a.b/" + "x" * 2000],
)  # fmt: skip
def test_other_texts_are_refused(pasted: str) -> None:
    with pytest.raises(BadTextError) as caught:
        parse_url(pasted)
    assert "pw" not in str(caught.value)


def test_spellings_compare_as_equal() -> None:
    assert same_url("https://A.b:443/%7e", "https://a.b/~")
    assert not same_url("https://a.b/x", "https://a.b/X")
    assert same_url(None, None)
    assert not same_url(None, URL)
    assert canonical_url("not a url") == "not a url"


@given(st.text(max_size=60) | st.from_regex(r"https?://[a-z.]{1,9}(:[0-9]{1,5})?/[%a-f0-9/?=]*"))
def test_parsing_twice_changes_nothing_more(text: str) -> None:
    found, refusal = attempt(parse_url, text)
    assert refusal.isprintable()
    if found is not None:
        assert parse_url(found) == found == canonical_url(found)
