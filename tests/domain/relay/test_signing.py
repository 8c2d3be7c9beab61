"""Signatures of relayed messages, checked by the public library that clients use."""

import base64
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from service.domain.relay.signing import (
    create_secret,
    default_secret,
    key_of,
    name_message,
    secret_of,
    signed_headers,
)

OWNER = UUID(int=7)


@given(st.text(), st.binary(min_size=24, max_size=64))
def test_the_public_library_accepts_our_signature_and_no_other(text: str, key: bytes) -> None:
    body = text.encode(errors="replace")
    headers = signed_headers("msg_1", int(time.time()), body, [key])
    Webhook(secret_of(key)).verify(body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(key)).verify(body + b"x", headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(create_secret()).verify(body, headers, json_parse=False)


def test_the_published_example_of_standard_webhooks() -> None:
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""
    secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    given_headers = signed_headers(
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1649367553,
        b'{"email":"test@example.com","username":"test_user"}',
        [key_of(secret)],
    )
    assert given_headers["webhook-signature"] == ("v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=")


def test_both_secrets_verify_during_a_rotation() -> None:
    new, former = create_secret(), create_secret()
    headers = signed_headers("msg_1", int(time.time()), b"{}", [key_of(new), key_of(former)])
    for secret in (new, former):
        Webhook(secret).verify(b"{}", headers)


def test_secrets_are_random_and_defaults_are_not() -> None:
    assert create_secret() != create_secret()
    assert len(base64.b64decode(create_secret().removeprefix("whsec_"))) == 32
    assert default_secret("master", OWNER) == default_secret("master", OWNER)
    assert default_secret("master", OWNER) != default_secret("master", UUID(int=8))
    assert default_secret("master", OWNER) != default_secret("other", OWNER)


def test_a_message_has_one_name_in_its_organization() -> None:
    name = name_message(OWNER, b"{}")
    assert name == name_message(OWNER, b"{}")
    assert len({name, name_message(UUID(int=8), b"{}"), name_message(OWNER, b"{ }")}) == 3
    assert name.startswith("msg_")
    assert len(name) == 47
