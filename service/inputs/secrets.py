"""Secrets as people paste them. A message never repeats a part of one."""

from policies.host.marks import QUOTES, BadTextError, trim, unquoted

BEARER = "bearer "


def parse_secrets(text: str) -> list[str]:
    """Several pasted secrets, separated by commas; also with quotes around the whole list.

    Raises `BadTextError` like `parse_secret`.
    """
    return [secret for word in unquoted(text).split(",") if (secret := parse_secret(word))]


def parse_secret(text: str) -> str:
    """A pasted secret without spaces, line breaks, quotes and a `Bearer` around it.

    Raises `BadTextError` for characters that no HTTP header carries.
    """
    secret = trim(text)
    for opening, closing in QUOTES:
        if len(secret) > 1 and secret.startswith(opening) and secret.endswith(closing):
            secret = trim(secret[1:-1])
    if secret.lower().startswith(BEARER):
        secret = trim(secret[len(BEARER) :])
    if any(sign in secret for sign in "\r\n"):
        raise BadTextError("has a line break inside: paste it as one line")
    if not secret.isascii() or not secret.isprintable():
        raise BadTextError("has characters that do not fit into an HTTP header: copy it again")
    return secret
