"""Mode `hmac` configured for Standard Webhooks: `{id}.{timestamp}.{body}`, base64, `v1,`."""

import base64
import hmac
from dataclasses import replace

import pytest

from service.vapi.authenticity import AuthenticityError, AuthenticityRules, Headers, verify

NOW = 1_777_907_410.0
BODY = b'{"message":{"type":"hang"}}'
KEY = b"first-secret"
STANDARD = AuthenticityRules(
    mode="hmac",
    secrets=(KEY,),
    signature_header=b"webhook-signature",
    timestamp_header=b"webhook-timestamp",
    prefix=b"v1",
    encoding="base64",
    payload=b"{id}.{timestamp}.{body}",
)
RAW_KEY = b"\x00\x01\xfe binary key of 24 b"
WHSEC = b"whsec_" + base64.b64encode(RAW_KEY)


def standard(*signatures: bytes, message_id: bytes | None = b"msg_1") -> Headers:
    headers = [
        (b"webhook-timestamp", b"1777907410"),
        (b"webhook-signature", b" ".join(signatures)),
    ]
    return headers if message_id is None else [*headers, (b"webhook-id", message_id)]


def standard_signature(key: bytes = RAW_KEY, message_id: bytes = b"msg_1") -> bytes:
    digest = hmac.digest(key, message_id + b".1777907410." + BODY, "sha256")
    return b"v1," + base64.b64encode(digest)


def test_a_standard_webhook_fits() -> None:
    rules = replace(STANDARD, secrets=(KEY, WHSEC))
    assert verify(standard(standard_signature()), BODY, rules, NOW) == 1
    assert verify(standard(standard_signature(KEY)), BODY, rules, NOW) == 0


def test_the_examples_of_the_standard_fit() -> None:
    rules = replace(STANDARD, secrets=(b"whsec_plJ3nmyCDGBKInavdOK15jsl",))
    headers = [
        (b"webhook-id", b"msg_loFOjxBNrRLzqYUf"),
        (b"webhook-timestamp", b"1731705121"),
        (b"webhook-signature", b"v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="),
    ]
    body = b'{"event_type":"ping","data":{"success":true}}'
    assert verify(headers, body, rules, 1731705121.0) == 0


def test_one_of_several_signatures_is_enough() -> None:
    rules = replace(STANDARD, secrets=(WHSEC,))
    headers = standard(
        b"v1a,c2lnbmF0dXJl", standard_signature(b"another"), b"v2,x", standard_signature()
    )
    assert verify(headers, BODY, rules, NOW) == 0


STANDARD_FORGERIES: dict[str, Headers] = {
    "no id": standard(standard_signature(), message_id=None),
    "empty id": standard(standard_signature(message_id=b""), message_id=b""),
    "other id": standard(standard_signature(), message_id=b"msg_2"),
    "endless id": standard(standard_signature(message_id=b"m" * 999), message_id=b"m" * 999),
    "two ids": [*standard(standard_signature()), (b"Webhook-Id", b"msg_1")],
    "key not decoded": standard(standard_signature(WHSEC)),
    "unprefixed": standard(standard_signature().removeprefix(b"v1,")),
    "other version": standard(standard_signature().replace(b"v1,", b"v2,")),
    "only a prefix": standard(b"v1,"),
    "bad padding": standard(standard_signature().rstrip(b"=")),
    "hex": standard(b"v1," + hmac.digest(RAW_KEY, b"x", "sha256").hex().encode()),
}


@pytest.mark.parametrize("forgery", STANDARD_FORGERIES)
def test_forged_standard_webhooks_are_refused(forgery: str) -> None:
    with pytest.raises(AuthenticityError):
        verify(STANDARD_FORGERIES[forgery], BODY, replace(STANDARD, secrets=(WHSEC,)), NOW)


@pytest.mark.parametrize("secret", [b"whsec_", b"whsec_not base64!"])
def test_a_broken_key_never_becomes_an_empty_one(secret: bytes) -> None:
    rules = replace(STANDARD, secrets=(secret,))
    with pytest.raises(AuthenticityError):
        verify(standard(standard_signature(b"")), BODY, rules, NOW)
    assert verify(standard(standard_signature(secret)), BODY, rules, NOW) == 0
