"""Versions of objects: a request may say which one it expects, and changes nothing in another one.

A version is a digest of what admins can change of an object, and of nothing that changes by itself, such
as its access now or the state of its webhook: else no admin could ever save.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import orjson

from service.admin.errors import PreconditionFailedError

Expected = frozenset[str]

EXPECTED: ContextVar[Expected | None] = ContextVar("EXPECTED", default=None)
"""The versions of which this request expects one; None: any."""


def version_of(values: object) -> str:
    """The version of an object with these values."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    return hashlib.sha256(orjson.dumps(values, default=str, option=options)).hexdigest()[:32]


@contextmanager
def expecting(versions: Expected | None) -> Iterator[None]:
    """Let `check_version` within refuse objects in any other version."""
    token = EXPECTED.set(versions)
    try:
        yield
    finally:
        EXPECTED.reset(token)


def expects_version() -> bool:
    """Whether this request expects a version at all."""
    return EXPECTED.get() is not None


def check_version(version: str) -> None:
    """Raise `PreconditionFailedError` if the request expects another version.

    Call it where the object is locked, so that nothing changes it between this and the change.
    """
    expected = EXPECTED.get()
    if expected is not None and version not in expected:
        raise PreconditionFailedError
