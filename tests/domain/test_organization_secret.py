"""The secret of one organization: the published formula, and nothing else passes."""

import base64
import hashlib
import hmac
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.organization_secret import (
    derive_organization_secret,
    named_organization,
    verify_organization_secret,
)

MASTER, OLDER = "master-secret-of-the-tests", "older-secret-of-the-tests-é"
OWNER = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


@given(master=st.text(min_size=1), organization_id=st.uuids())
def test_it_is_derived_by_the_published_formula(master: str, organization_id: UUID) -> None:
    if any(0xD800 <= ord(one) <= 0xDFFF for one in master):
        return
    digits = str(organization_id).replace("-", "")
    mac = hmac.new(master.encode(), f"callgate:organization:{digits}".encode(), hashlib.sha256)
    code = base64.urlsafe_b64encode(mac.digest()).decode().replace("=", "")
    secret = derive_organization_secret(master, organization_id)
    assert secret == f"cgo1.{digits}.{code}"
    assert verify_organization_secret(secret.encode(), [master]) == (0, organization_id)
    assert len(secret) == 81


def test_it_names_the_master_that_it_derives_from() -> None:
    secret = derive_organization_secret(OLDER, OWNER).encode()
    assert verify_organization_secret(secret, [MASTER, OLDER]) == (1, OWNER)
    assert verify_organization_secret(secret, [MASTER]) is None
    assert verify_organization_secret(secret, []) is None


def test_it_proves_no_other_organization() -> None:
    other = uuid4()
    secret = derive_organization_secret(MASTER, OWNER)
    forged = secret.replace(OWNER.hex, other.hex).encode()
    assert named_organization(forged) == other
    assert verify_organization_secret(forged, [MASTER]) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one[:-1],
        lambda one: one + "A",
        lambda one: one + "=",
        lambda one: one + "\n",
        lambda one: " " + one,
        lambda one: one.upper(),
        lambda one: one.replace("cgo1.", "cgo2."),
        lambda one: one.replace(OWNER.hex, str(OWNER)),
        lambda one: one.replace(OWNER.hex, OWNER.hex.upper()),
        lambda one: one[:-1] + ("A" if one[-1] != "A" else "E"),
        lambda _: MASTER,
        lambda _: "",
    ],
)
def test_any_other_text_is_refused(change: object) -> None:
    assert callable(change)
    text = change(derive_organization_secret(MASTER, OWNER)).encode()
    assert verify_organization_secret(text, [MASTER, OLDER]) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_without_an_error(data: bytes) -> None:
    assert verify_organization_secret(data, [MASTER]) is None
    assert verify_organization_secret(b"cgo1." + data, [MASTER]) is None
