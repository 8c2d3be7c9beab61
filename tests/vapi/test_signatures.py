"""Mode `hmac`: signatures over the raw bytes, in every shape that the settings can ask for."""

import base64
import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.settings import Settings
from service.vapi.authenticity import (
    AuthenticityError,
    AuthenticityRules,
    BodyProof,
    Headers,
    rules_from,
    verify,
)

NOW = 1_777_907_410.0
BODY = '{"message":{"type":"hang","note":"Grüß Gott {timestamp} {id}"}}'.encode()
KEY, NEXT_KEY, OLD_KEY = b"first-secret", b"second-secret", b"retired-secret"
SECRET = AuthenticityRules(mode="secret", secrets=(KEY, NEXT_KEY))
HMAC = AuthenticityRules(mode="hmac", secrets=(KEY, NEXT_KEY))


def sign(
    key: bytes = KEY,
    body: bytes = BODY,
    at: bytes = b"1777907410",
    algorithm: str = "sha256",
) -> bytes:
    """The digest that Vapi's HMAC credential makes by default."""
    return hmac.digest(key, at + b"." + body, algorithm)


def signed(
    signature: bytes | None = None, at: bytes | None = b"1777907410"
) -> list[tuple[bytes, bytes]]:
    headers = [(b"Host", b"gate.example"), (b"X-Signature", signature or sign().hex().encode())]
    return [*headers, (b"X-Timestamp", at)] if at is not None else headers


@pytest.mark.parametrize(("key", "place"), [(KEY, 0), (NEXT_KEY, 1)])
def test_a_signature_by_every_live_key_fits(key: bytes, place: int) -> None:
    headers = signed(sign(key).hex().encode())
    BodyProof(headers, HMAC, NOW)
    assert verify(headers, BODY, HMAC, NOW) == place


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize(
    ("prefix", "written"), [("", ""), ("sha=", "sha="), ("sha", "sha="), ("v1", "v1,")]
)
def test_algorithm_encoding_and_prefix_are_configurable(
    algorithm: str, encoding: str, prefix: str, written: str
) -> None:
    settings = Settings(
        vapi_webhook_secret=KEY.decode(),  # type: ignore[arg-type]
        vapi_webhook_auth="hmac",
        callgate_hmac_algorithm=algorithm,  # type: ignore[arg-type]
        callgate_hmac_encoding=encoding,  # type: ignore[arg-type]
        callgate_hmac_prefix=prefix,
    )
    digest = sign(algorithm=algorithm)
    text = digest.hex().encode() if encoding == "hex" else base64.b64encode(digest)
    assert verify(signed(written.encode() + text), BODY, rules_from(settings), NOW) == 0


def test_rules_carry_every_secret_and_header_of_the_settings() -> None:
    settings = Settings(
        vapi_webhook_secret="a, b",  # type: ignore[arg-type]
        callgate_hmac_signature_header="X-Sign",
        callgate_hmac_timestamp_header="X-At",
        callgate_hmac_id_header="X-Id",
        callgate_hmac_payload="{svix-id}.{timestamp}.{body}",
        callgate_hmac_tolerance=60,
    )
    rules = rules_from(settings)
    assert (rules.mode, rules.secrets) == ("secret", (b"a", b"b"))
    assert (rules.signature_header, rules.timestamp_header) == (b"x-sign", b"x-at")
    assert (rules.id_header, rules.payload) == (b"x-id", b"{id}.{timestamp}.{body}")
    assert rules.tolerance == 60


@pytest.mark.parametrize("at", [b"1777907410", b"1777907410000", b"1777907410123"])
def test_seconds_and_milliseconds_are_accepted(at: bytes) -> None:
    assert verify(signed(sign(at=at).hex().encode(), at), BODY, HMAC, NOW) == 0


@pytest.mark.parametrize("scale", [1, 1000])
@pytest.mark.parametrize(
    ("skew", "accepted"), [(0, True), (29, True), (-299, True), (31, False), (-301, False)]
)
def test_the_tolerance_reaches_into_the_past_and_half_a_minute_into_the_future(
    scale: int, skew: int, accepted: bool
) -> None:
    at = str(int(NOW + skew) * scale).encode()
    headers = signed(sign(at=at).hex().encode(), at)
    if accepted:
        assert verify(headers, BODY, HMAC, NOW) == 0
    else:
        with pytest.raises(AuthenticityError, match="too far"):
            verify(headers, BODY, HMAC, NOW)


def test_a_payload_without_timestamp_needs_none() -> None:
    rules = replace(HMAC, payload=b"{body}")
    signature = hmac.digest(KEY, BODY, "sha256").hex().encode()
    assert verify(signed(signature, None), BODY, rules, NOW) == 0
    BodyProof(signed(signature, None), rules, NOW)


def test_what_the_body_says_is_never_taken_for_a_placeholder() -> None:
    body = b"{id}{timestamp}{body}"
    assert verify(signed(sign(body=body).hex().encode()), body, HMAC, NOW) == 0


def test_the_template_may_name_the_body_anywhere() -> None:
    rules = replace(HMAC, payload=b"{timestamp}:{body}.v0")
    text = b"1777907410:" + BODY + b".v0"
    signature = hmac.digest(KEY, text, "sha256").hex().encode()
    assert verify(signed(signature), BODY, rules, NOW) == 0


GOOD = sign().hex().encode()
HMAC_FORGERIES: dict[str, Headers] = {
    "nothing": [],
    "no signature": [(b"X-Timestamp", b"1777907410")],
    "no timestamp": signed(at=None),
    "empty signature": [(b"X-Signature", b""), (b"X-Timestamp", b"1777907410")],
    "the secret itself": signed(KEY),
    "a secret header": [(b"X-Vapi-Secret", KEY)],
    "retired key": signed(sign(OLD_KEY).hex().encode()),
    "empty key": signed(sign(b"").hex().encode()),
    "swapped body": signed(sign(body=BODY + b" ").hex().encode()),
    "body alone": signed(hmac.digest(KEY, BODY, "sha256").hex().encode()),
    "moved timestamp": signed(GOOD, b"1777907411"),
    "plain hash": signed(hashlib.sha256(b"1777907410." + BODY).hexdigest().encode()),
    "other algorithm": signed(sign(algorithm="sha512").hex().encode()),
    "base64 for hex": signed(base64.b64encode(sign())),
    "truncated": signed(GOOD[:-2]),
    "odd length": signed(GOOD[:-1]),
    "longer": signed(GOOD + b"00"),
    "prefixed": signed(b"sha256=" + GOOD),
    "quoted": signed(b'"' + GOOD + b'"'),
    "not hex": signed(b"z" * 64),
    "non-ascii": signed(b"\xff" * 64),
    "fullwidth": signed("０".encode() * 64),
    "twice": [*signed(), (b"x-signature", GOOD)],
    "two timestamps": [*signed(), (b"x-timestamp", b"1777907410")],
    "beyond ten": signed(b"00 " * 10 + GOOD),
    "timestamp empty": signed(at=b""),
    "timestamp signed": signed(sign(at=b"+1777907410").hex().encode(), b"+1777907410"),
    "timestamp fraction": signed(sign(at=b"1777907410.0").hex().encode(), b"1777907410.0"),
    "timestamp words": signed(sign(at=b"now").hex().encode(), b"now"),
    "timestamp arabic": signed(sign(at="١٧".encode()).hex().encode(), "١٧".encode()),
    "timestamp endless": signed(sign(at=b"1" * 9999).hex().encode(), b"1" * 9999),
    "timestamp hex": signed(sign(at=b"0x69f8b5d2").hex().encode(), b"0x69f8b5d2"),
    "timestamp zero": signed(sign(at=b"0").hex().encode(), b"0"),
    "timestamp negative": signed(sign(at=b"-1").hex().encode(), b"-1"),
    "timestamp nanoseconds": signed(
        sign(at=b"1777907410000000000").hex().encode(), b"1777907410000000000"
    ),
}


@pytest.mark.parametrize("forgery", HMAC_FORGERIES)
def test_forged_signatures_are_refused(forgery: str) -> None:
    with pytest.raises(AuthenticityError):
        verify(HMAC_FORGERIES[forgery], BODY, HMAC, NOW)


@pytest.mark.parametrize(
    "forgery", ["nothing", "no signature", "no timestamp", "not hex", "twice", "timestamp words"]
)
def test_what_no_body_could_mend_is_refused_before_it_is_read(forgery: str) -> None:
    with pytest.raises(AuthenticityError):
        BodyProof(HMAC_FORGERIES[forgery], HMAC, NOW)


@pytest.mark.parametrize("payload", [b"{timestamp}.{body}", b"{body}", b"v0:{body}:{timestamp}"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_is_proved_part_by_part(payload: bytes, size: int) -> None:
    rules = replace(HMAC, payload=payload)
    text = payload.replace(b"{timestamp}", b"1777907410").replace(b"{body}", BODY)
    headers = signed(hmac.digest(NEXT_KEY, text, "sha256").hex().encode())
    proof = BodyProof(headers, rules, NOW)
    assert not proof.proved
    for at in range(0, len(BODY), size):
        proof.update(BODY[at : at + size])
    assert proof.finish() == 1
    assert verify(headers, BODY, rules, NOW) == 1
    with pytest.raises(AuthenticityError, match="wrong"):
        verify(headers, BODY + b" ", rules, NOW)


def test_hex_is_no_base64() -> None:
    with pytest.raises(AuthenticityError, match="malformed"):
        verify(signed(), BODY, replace(HMAC, encoding="base64"), NOW)


NAMES = st.sampled_from(
    [b"x-vapi-secret", b"authorization", b"x-signature", b"x-timestamp", b"webhook-id", b"x"]
)
VALUES = st.one_of(st.binary(max_size=80), st.sampled_from([b"Bearer ", b"1777907410", GOOD]))


@given(
    st.lists(st.tuples(NAMES, VALUES), max_size=5),
    st.sampled_from([SECRET, HMAC, replace(HMAC, payload=b"{id}{body}", encoding="base64")]),
)
def test_any_headers_are_refused_with_one_kind_of_error(
    headers: Headers, rules: AuthenticityRules
) -> None:
    with pytest.raises(AuthenticityError):
        verify(headers, b"another body", rules, NOW)
