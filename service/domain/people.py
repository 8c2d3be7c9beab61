"""Admins and their sessions, and the rules for names and passwords. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID

from service.domain.errors import CallgateError, ForbiddenError, InvalidError
from service.domain.texts import MOST_CHARACTERS, fold, normalize

Role = Literal["viewer", "support", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "support", "admin")

Scope = Literal[
    "audit",
    "calls",
    "imports",
    "organizations",
    "phone-numbers",
    "policies",
    "reconcile",
    "tokens",
    "unknown-numbers",
    "usage",
]
"""An area of the API: the first part of its paths. A token with scopes reaches only these areas."""
SCOPES: tuple[Scope, ...] = get_args(Scope)

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=14)
"""How long a session lives without use, and in total."""

NAME_LENGTH = 100
PASSWORD_LENGTH = (12, MOST_CHARACTERS)
RESERVED = ("admin-token", "command line", "system", "callgate", "sandbox", "sign-in provider")
"""Actors of the audit that are no admins."""


@dataclass(frozen=True, slots=True)
class Admin:
    """A person with access to the panel. `subject` is who they are at the sign-in provider.

    `updated_at` is when an admin, or the provider, last changed the account; signing in does not.
    """

    id: UUID
    name: str
    role: Role
    created_at: datetime
    created_by: str
    disabled_at: datetime | None
    last_sign_in_at: datetime | None
    has_password: bool
    subject: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that is signed in; `role` is the admin's present one. `notice` is shown on the next
    page. `read_at` is when it was read, by the database's clock: of a visitor's own, when the request
    began."""

    id: UUID
    admin_id: UUID
    name: str
    role: Role
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str
    address: str
    notice: Mapping[str, Any] | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Client:
    """The browser and the address of a request."""

    address: str
    user_agent: str


class BadNameError(InvalidError):
    """An admin's name that cannot be used."""

    code = "bad_name"
    sentence = f"A name has 1 to {NAME_LENGTH} characters."


class BadPasswordError(InvalidError):
    """A password that is too easy to guess or cannot be stored."""

    code = "bad_password"
    sentence = f"A password has {PASSWORD_LENGTH[0]} to {PASSWORD_LENGTH[1]} characters."


class SignInRefusedError(ForbiddenError):
    """The sign-in failed. The message does not say which part was wrong."""

    code = "sign_in_refused"
    sentence = "The name or the password is wrong."


class TooManyAttemptsError(CallgateError):
    """Too many failed sign-ins; try again after `retry_after` seconds."""

    code = "too_many_attempts"
    status = 429
    sentence = "Too many failed attempts. Try again later."

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            f"Too many failed attempts. Try again in {retry_after} seconds.",
            retry_after=retry_after,
        )
        self.retry_after = retry_after


def key_of(name: str) -> str:
    """The form in which names are compared: letter case and accent encoding do not matter.

    Raises `TooLongError` for more than 256 characters.
    """
    return fold(name, "The name").strip()


def parse_name(text: str) -> str:
    """A name as stored. Raises `BadNameError`."""
    name = "" if len(text) > MOST_CHARACTERS else normalize(text, "NFC").strip()
    if not 1 <= len(name) <= NAME_LENGTH or not key_of(name):
        raise BadNameError(field="name")
    if not name.isprintable():
        raise BadNameError("The name has control or direction characters.", field="name")
    if key_of(name) in RESERVED or key_of(name).startswith("token:"):
        raise BadNameError(
            "The audit reserves this name. Choose another.",
            field="name",
        )
    return name


def canonical_password(text: str) -> str:
    """A password as hashed: the same from every keyboard.

    Raises `TooLongError` for more than 256 characters.
    """
    return normalize(text, "NFKC", "The password")


def check_password(password: str, name: str) -> None:
    """Raise `BadPasswordError` for a password that is too easy to guess or cannot be stored."""
    least, most = PASSWORD_LENGTH
    text = "" if len(password) > most else canonical_password(password)
    if not least <= len(text) <= most:
        raise BadPasswordError(field="password")
    if key_of(text) == key_of(name):
        raise BadPasswordError("The password must not be the name.", field="password")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise BadPasswordError("The password has invalid characters.", field="password")
