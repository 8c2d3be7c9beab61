"""Mode `secret`: every forgery of the table is refused before a body is read."""

import base64
from dataclasses import replace

import pytest

from service.vapi.authenticity import (
    AuthenticityError,
    AuthenticityRules,
    BodyProof,
    Headers,
    verify,
)

NOW = 1_777_907_410.0
BODY = b'{"message":{"type":"hang"}}'
KEY, NEXT_KEY, OLD_KEY = b"first-secret", b"second-secret", b"retired-secret"
SECRET = AuthenticityRules(mode="secret", secrets=(KEY, NEXT_KEY))


@pytest.mark.parametrize("name", [b"X-Vapi-Secret", b"x-vapi-secret", b"X-VAPI-SECRET"])
@pytest.mark.parametrize(("secret", "place"), [(KEY, 0), (NEXT_KEY, 1)])
def test_every_live_secret_fits_and_is_told_apart(name: bytes, secret: bytes, place: int) -> None:
    headers = [(b"Host", b"gate.example"), (name, secret)]
    assert verify(headers, BODY, SECRET, NOW) == place
    BodyProof(headers, SECRET, NOW)


def test_a_bearer_credential_counts_where_the_header_is_absent() -> None:
    assert verify([(b"Authorization", b"Bearer " + NEXT_KEY)], BODY, SECRET, NOW) == 1
    assert verify([(b"authorization", b"bearer  " + KEY)], BODY, SECRET, NOW) == 0


def test_where_both_are_there_the_header_alone_decides() -> None:
    bearer = (b"Authorization", b"Bearer " + KEY)
    assert verify([bearer, (b"X-Vapi-Secret", NEXT_KEY)], BODY, SECRET, NOW) == 1
    for wrong in (b"", b"wrong", OLD_KEY):
        with pytest.raises(AuthenticityError):
            verify([(b"X-Vapi-Secret", wrong), bearer], BODY, SECRET, NOW)


SECRET_FORGERIES: dict[str, Headers] = {
    "nothing": [],
    "another header": [(b"X-Secret", KEY)],
    "empty": [(b"X-Vapi-Secret", b"")],
    "blank": [(b"X-Vapi-Secret", b" \t ")],
    "wrong": [(b"X-Vapi-Secret", b"wrong-secret")],
    "retired": [(b"X-Vapi-Secret", OLD_KEY)],
    "truncated": [(b"X-Vapi-Secret", KEY[:-1])],
    "longer": [(b"X-Vapi-Secret", KEY + b"x")],
    "other case": [(b"X-Vapi-Secret", KEY.upper())],
    "both live ones": [(b"X-Vapi-Secret", KEY + b"," + NEXT_KEY)],
    "twice the same": [(b"X-Vapi-Secret", KEY), (b"x-vapi-secret", KEY)],
    "twice, one empty": [(b"X-Vapi-Secret", KEY), (b"X-Vapi-Secret", b"")],
    "utf-8": [(b"X-Vapi-Secret", "ſécret".encode())],
    "latin-1": [(b"X-Vapi-Secret", b"\xff\xfe")],
    "nul": [(b"X-Vapi-Secret", KEY + b"\x00")],
    "vertical tab": [(b"X-Vapi-Secret", b"\x0b" + KEY)],
    "bearer in the header": [(b"X-Vapi-Secret", b"Bearer " + KEY)],
    "bearer empty": [(b"Authorization", b"Bearer ")],
    "bearer wrong": [(b"Authorization", b"Bearer wrong")],
    "bearer without scheme": [(b"Authorization", KEY)],
    "basic": [(b"Authorization", b"Basic " + base64.b64encode(b"vapi:" + KEY))],
    "two bearers": [(b"Authorization", b"Bearer " + KEY), (b"Authorization", b"Bearer " + KEY)],
    "no-break space in the name": [(b"X-Vapi-Secret\xa0", KEY)],
}


@pytest.mark.parametrize("forgery", SECRET_FORGERIES)
def test_forged_secrets_are_refused_before_the_body_is_read(forgery: str) -> None:
    headers = SECRET_FORGERIES[forgery]
    with pytest.raises(AuthenticityError) as caught:
        verify(headers, BODY, SECRET, NOW)
    with pytest.raises(AuthenticityError):
        BodyProof(headers, SECRET, NOW)
    assert "secret-" not in str(caught.value)
    assert KEY.decode() not in str(caught.value)


def test_without_any_live_secret_nothing_fits() -> None:
    for secret in (b"", b"x"):
        with pytest.raises(AuthenticityError):
            verify([(b"X-Vapi-Secret", secret)], BODY, replace(SECRET, secrets=()), NOW)
