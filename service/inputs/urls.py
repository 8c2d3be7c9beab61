"""URLs as people paste them, and the one form in which they are written and compared."""

import re

from yarl import URL

from policies.host.marks import BadTextError, shown, trim, unquoted

MOST = 2000
SLASHES = re.compile("/{2,}")


def canonical_url(text: str) -> str:
    """A URL as servers hand it back: small scheme and host, IDN in ASCII, no default port, one way of
    percent-encoding. A text that is no absolute URL stays as it is.
    """
    try:
        url = URL(text)
    except ValueError:
        return text
    return str(url) if url.absolute else text


def same_url(one: object, other: object) -> bool:
    """Whether two values are the same URL, however it is spelled."""
    if isinstance(one, str) and isinstance(other, str):
        return canonical_url(one) == canonical_url(other)
    return one == other


def parse_url(text: str) -> str:
    """A pasted absolute http or https URL in canonical form. Raises `BadTextError`.

    Without a user name and password, which would reach logs, and without a fragment.
    """
    pasted = trim(text)
    if len(pasted) > MOST:
        raise BadTextError(f"has {len(pasted)} characters; at most {MOST} are allowed")
    if any(sign.isspace() or not sign.isprintable() for sign in pasted):
        raise BadTextError(f"has a space or a line break inside: {shown(pasted)}")
    try:
        url = URL(pasted)
        _ = url.port
    except ValueError:
        raise BadTextError(f"is not a URL: {shown(pasted)}") from None
    if url.scheme not in ("https", "http") or not url.host:
        raise BadTextError(f"must be an absolute URL such as https://…, not {shown(pasted)}")
    if url.user is not None or url.password is not None:
        raise BadTextError("must not carry a user name or password")
    return str(url.with_fragment(None))


def clean_url(text: str) -> str:
    """A pasted URL without quotes and spaces around it, its host in the letters of DNS; it is not
    judged, and otherwise as it was given."""
    plain = unquoted(text)
    return plain if plain.isascii() else canonical_url(plain)


def parse_origin(text: str) -> str:
    """A pasted scheme, host and port in the form in which browsers and libraries write them: without the
    default port, a path or a final slash. Raises `BadTextError`."""
    url = URL(parse_url(text))
    if url.path not in ("", "/") or url.query_string:
        raise BadTextError(f"must be a scheme, a host and perhaps a port alone, not {shown(text)}")
    host = (url.host or "").rstrip(".")
    return str(url.with_host(host).origin()) if host else str(url.origin())


def parse_webhook_url(text: str, path: str) -> str:
    """The URL of the webhook: an address without a path gets `path`; repeated slashes and capitals in
    its path are corrected. Another path stays: a proxy may lead from it to `path`.

    Raises `BadTextError`.
    """
    url = URL(parse_url(text))
    own = SLASHES.sub("/", url.path).rstrip("/")
    if not own:
        return str(url.with_path(path).with_query(url.query))
    if own.lower().endswith(path):
        before = SLASHES.sub("/", url.raw_path).rstrip("/")[: -len(path)]
        return str(url.with_path(before + path, encoded=True).with_query(url.query))
    return str(url)


def parse_app_url(text: str, path: str) -> str:
    """The URL of the webhook below an application's address, which may end in `path` already.

    Raises `BadTextError`.
    """
    base = URL(parse_url(text)).with_query(None)
    found = URL(parse_webhook_url(str(base), path))
    if found.path.endswith(path):
        return str(found)
    return str(found.with_path(found.raw_path.rstrip("/") + path, encoded=True))
