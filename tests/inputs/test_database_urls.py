"""Addresses of PostgreSQL as hosts and tools print them."""

import re
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policies.host.marks import BadTextError
from service.inputs.database_urls import parse_database_url
from tests.support.attempts import attempt

HOSTILE = "p/a@b#c+d%e?f:g"


@pytest.mark.parametrize(
    ("pasted", "address"),
    [
        ("postgres://u:p@h:5432/db", "postgresql://u:p@h:5432/db"),
        ("postgresql+asyncpg://u@h/db\n", "postgresql://u@h/db"),
        ("POSTGRESQL://h", "postgresql://h"),
        (
            "postgresql://u:p@h/db?sslmode=require&channel_binding=require",
            "postgresql://u:p@h/db?sslmode=require",
        ),
        (
            "postgresql://u:p@h/db?schema=public&connection_limit=5&pgbouncer=true",
            "postgresql://u:p@h/db",
        ),
        ("postgresql://h/db?sslaccept=strict", "postgresql://h/db?sslmode=verify-full"),
        ("postgresql:///db?host=/run/pg", "postgresql:///db?host=%2Frun%2Fpg"),
        ("postgresql://u:x@one:5432,two:5433/db", "postgresql://u:x@one:5432,two:5433/db"),
        ("postgresql://u:p@[::1]:5432/db", "postgresql://u:p@[::1]:5432/db"),
        ("postgresql://u:a%40b@h/db", "postgresql://u:a%40b@h/db"),
        ("postgresql://u:hid[den@h/db", "postgresql://u:hid%5Bden@h/db"),
    ],
)
def test_addresses_are_understood(pasted: str, address: str) -> None:
    assert parse_database_url(pasted) == address == parse_database_url(address)


@pytest.mark.parametrize(
    ("pasted", "address"),
    [
        ('"postgresql://u:p@h/db"', "postgresql://u:p@h/db"),
        ("psql 'postgresql://u:p@h/db?sslmode=require'", "postgresql://u:p@h/db?sslmode=require"),
        ("postgresql://u:p@h/db?ssl=true", "postgresql://u:p@h/db?sslmode=require"),
        (
            "postgresql://u:p@h/db?sslmode=verify-full&ssl=1",
            "postgresql://u:p@h/db?sslmode=verify-full",
        ),
    ],
)
def test_what_hosts_print_around_an_address_is_understood(pasted: str, address: str) -> None:
    assert parse_database_url(pasted) == address


@pytest.mark.parametrize("query", ["sslmode=on", "target_session_attrs=master"])
def test_a_word_that_the_driver_does_not_know_is_named(query: str) -> None:
    with pytest.raises(BadTextError, match=f"unknown {query.partition('=')[0]}: write one of"):
        parse_database_url(f"postgresql://u:hidden@h/db?{query}")


@pytest.mark.parametrize("tail", ["", "/db", "/db?sslmode=require", "?sslmode=disable"])
def test_a_password_may_have_any_sign(tail: str) -> None:
    parts = urlsplit(parse_database_url(f"postgresql://user:{HOSTILE}@db.internal:5433{tail}"))
    assert (parts.hostname, parts.port, parts.username) == ("db.internal", 5433, "user")
    assert unquote(parts.password or "") == HOSTILE


@pytest.mark.parametrize(
    "pasted",
    ["", "mysql://root:hunter2@db/x", "db.internal", "postgresql://root:hunter2@h:port/x",
     "postgresql://root:hunter2@h:70000/x", "postgresql://root:hunter2@a b/x",
     "postgresql://root:hunter2@h/x\nsecond", "postgresql://root:hunter2@\x85/x",
     "postgresql://root:hunter2?a=b@h/x", "postgresql://root:hunter2@h/x?a=b@c",
     "postgresql://root:hunter2@\u2003:5432/x", "postgresql://root:hunter2@d\u200bb/x"],
)  # fmt: skip
def test_other_texts_are_refused_without_a_part_of_the_password(pasted: str) -> None:
    with pytest.raises(BadTextError) as caught:
        parse_database_url(pasted)
    assert "hunter2" not in str(caught.value)


PASSWORDS = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=20)

LIKE_PARAMETERS = re.compile(r"\?[A-Za-z_.]+=")
"""Of a password with these it cannot be said where it ends."""


@given(PASSWORDS.filter(lambda text: "%" not in text and not LIKE_PARAMETERS.search(text)))
def test_the_driver_reads_the_password_that_was_meant(password: str) -> None:
    address = parse_database_url(f"postgresql://user:{password}@db.internal/callgate")
    parts = urlsplit(address)
    assert (parts.hostname, parts.path) == ("db.internal", "/callgate")
    assert unquote(parts.password or "") == password


@example("postgresql://\x85/").via("a space as a host")
@given(st.text(max_size=80).map(lambda text: f"postgresql://{text}"))
def test_any_text_is_an_address_or_a_clear_refusal(text: str) -> None:
    found, refusal = attempt(parse_database_url, text)
    assert refusal.isprintable()
    if found is not None:
        assert parse_database_url(found) == found
