"""Ids of Vapi: UUIDs are compared without regard to case, other ids as they are."""

import re
from uuid import UUID

from policies.host.marks import BadTextError, shown, without_marks

MOST = 100
VAPI_ID = r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}"
UUID_SHAPE = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
UUID_DIGITS = re.compile(r"[0-9A-Fa-f]{32}", re.ASCII)
UUID_LENGTHS = (36, 32)


def is_uuid(value: str) -> bool:
    """Whether a text is a UUID, with its hyphens or without them."""
    return bool(UUID_SHAPE.fullmatch(value) or UUID_DIGITS.fullmatch(value))


def find_uuid(text: str) -> UUID | None:
    """A pasted UUID, with its hyphens or without them; None for any other text."""
    if len(text) > MOST:
        return None
    plain = without_marks(text)
    return UUID(plain) if is_uuid(plain) else None


def canonical_id(value: str) -> str:
    """An id in the form in which ids are stored and compared.

    A UUID is written in small letters with hyphens, as Vapi writes it; any other id stays.
    """
    if len(value) == 36:
        return value.lower() if UUID_SHAPE.fullmatch(value) else value
    if len(value) == 32 and UUID_DIGITS.fullmatch(value):
        digits = value.lower()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return value


def id_of(value: object) -> str | None:
    """An id from an object of Vapi in canonical form; None for anything else."""
    return canonical_id(value) if isinstance(value, str) and value else None


def is_vapi_id(value: str) -> bool:
    """Whether a text can be an id of Vapi as it stands."""
    return re.fullmatch(VAPI_ID, value) is not None


def parse_vapi_id(text: str, what: str = "id") -> str:
    """A pasted id of Vapi in canonical form. Raises `BadTextError`."""
    if len(text) > MOST:
        raise BadTextError(f"is too long for an id of Vapi: {shown(text)}. Paste the {what} alone.")
    found = without_marks(text)
    if not is_vapi_id(found):
        raise BadTextError(f"is no id of Vapi: {shown(text)}. {remedy(found, what)}")
    return canonical_id(found)


def parse_id_query(text: str) -> str:
    """A pasted id to look for, in canonical form; what is none finds nothing."""
    return canonical_id(without_marks(text[:MOST]))


def remedy(text: str, what: str) -> str:
    """What to paste instead of this text."""
    if text.startswith("+"):
        return f"Paste the {what} that Vapi's dashboard shows beside the phone number."
    if "/" in text:
        return f"Paste the {what} alone, not an address."
    return f"Paste the {what} from Vapi's dashboard, such as 3f6c2a10-7f3e-4c56-9d0b-1a2b3c4d5e6f."
