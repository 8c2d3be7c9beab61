"""Phone numbers as people write them: E.164 to store, digits to search by."""

import re
from urllib.parse import unquote

from policies.host.ids import is_uuid
from policies.host.marks import (
    EVERY_BLANK,
    MARKS,
    SPACES,
    BadTextError,
    plain_signs,
    shown,
    without_marks,
)

E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
PREFIX = re.compile(r"\+[1-9][0-9]{0,14}", re.ASCII)
BARE_DIGITS = re.compile(r"[0-9]{7,15}", re.ASCII)
SCIENTIFIC = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+", re.ASCII)
LETTERS = re.compile(r"[^\W\d_]")
SCHEME = re.compile(r"(tel|callto|sms):(//)?", re.ASCII | re.IGNORECASE)
# Dashes and slashes of any script, which numbers are grouped with.
GROUPING = re.compile(r"[ ().\-/\u2010-\u2015\u2212\u2215\u00b7]")
TRUNK = "(0)"
"""The national zero that +49 (0)30 shows and that is not dialled from abroad."""

PASTED_NUMBER = rf"^[{SPACES}{MARKS}]*\+[1-9]([ ().\-/]?[0-9]){{6,14}}[{SPACES}{MARKS}]*$"
"""The usual ones of the accepted forms, for the OpenAPI document."""

MOST = 60
"""The longest text that is searched for digits."""
FEWEST_DIGITS = 4
"""Fewer digits would find half of all numbers."""


def parse_phone_number(text: str) -> str:
    """A pasted phone number in E.164. Raises `BadTextError`.

    Accepts spaces, brackets, dots, dashes and slashes between the digits, `00` for `+`, `tel:` before
    them, digits and plus signs of full width, and marks without width.
    """
    plain = canonical_signs(text)
    if SCIENTIFIC.fullmatch(plain):
        raise BadTextError(
            f"{shown(text)} was shortened by a spreadsheet: format the column as text and enter the "
            "whole number again."
        )
    number = international(plain)
    if E164.fullmatch(number):
        return number
    if BARE_DIGITS.fullmatch(number):
        raise BadTextError(
            f"{shown(text)} has no country code: write +1 before a number of the USA, such as "
            "+15551234567. In a spreadsheet, format the column as text."
        )
    raise BadTextError(f"{shown(text)} is no phone number: write E.164 such as +15551234567.")


def parse_prefix(text: str) -> str:
    """The pasted beginning of phone numbers, such as `+1900`. Raises `BadTextError`."""
    plain = canonical_signs(text)
    prefix = international(plain)
    if not PREFIX.fullmatch(prefix):
        raise BadTextError(f"{shown(text)} begins no phone number: write +1900 or another prefix.")
    return prefix


def international(plain: str) -> str:
    """A number or its beginning without grouping, and with + for 00."""
    is_whole = plain.startswith(("+", "00"))
    number = GROUPING.sub("", plain.replace(TRUNK, "", 1) if is_whole else plain)
    return f"+{number[2:]}" if number.startswith("00") else number


def is_e164(text: str) -> bool:
    """Whether a text is a phone number in E.164 as it stands."""
    return E164.fullmatch(text) is not None


def is_phone_like(text: str) -> bool:
    """Whether a text means a phone number and no id of Vapi: it has no letters of its own.

    A UUID is an id even if it has digits only; no phone number is as long.
    """
    plain = canonical_signs(text)
    if is_uuid(plain):
        return False
    return SCIENTIFIC.fullmatch(plain) is not None or not LETTERS.search(plain)


def search_digits(text: str) -> str | None:
    """The digits to look for, if the text looks like a part of a phone number; else None."""
    digits = international(canonical_signs(text[:MOST])).removeprefix("+")
    is_number = digits.isascii() and digits.isdigit() and len(digits) >= FEWEST_DIGITS
    return digits if is_number else None


def canonical_signs(text: str) -> str:
    """The text in plain signs, without a scheme, its parameters, and spaces of other kinds."""
    plain = plain_signs(without_marks(text))
    scheme = SCHEME.match(plain)
    if scheme is not None:
        plain = unquote(plain[scheme.end() :])
    return EVERY_BLANK.sub(" ", plain.partition(";")[0]).strip()
