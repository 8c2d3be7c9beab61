"""URLs as people paste them, and the one form in which they are written and compared."""

from yarl import URL

from service.inputs.marks import BadTextError, shown, trim

MOST = 2000


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


def parse_webhook_url(text: str, path: str) -> str:
    """The URL of the webhook: an address without a path gets `path`, a slash after it is dropped.

    Raises `BadTextError`.
    """
    url = URL(parse_url(text))
    if url.path in ("", "/"):
        return str(url.with_path(path).with_query(url.query))
    if url.path.rstrip("/").endswith(path):
        return str(url.with_path(url.raw_path.rstrip("/"), encoded=True).with_query(url.query))
    return str(url)
