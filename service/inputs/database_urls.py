"""Addresses of PostgreSQL as hosts and tools print them. A message never repeats a part of one."""

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode

from policies.host.marks import MARKS, SPACES, UNSAFE, BadTextError, trim, unquoted

MOST = 4096
SCHEME = re.compile(r"(postgres|postgresql)(\+[a-z0-9_]+)?://", re.ASCII | re.IGNORECASE)
ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})")
PARAMETERS = re.compile(r"[A-Za-z_.]+=[^?]*", re.ASCII)
HOST = re.compile(rf"(\[[0-9A-Fa-f:.]+\]|[^\[\]:,/?#@{SPACES}{MARKS}{UNSAFE}]*)(:[0-9]{{1,5}})?")

IGNORED = frozenset(
    {
        "channel_binding", "connect_timeout", "connection_limit", "gssencmode", "keepalives",
        "keepalives_count", "keepalives_idle", "keepalives_interval", "load_balance_hosts",
        "pgbouncer", "pool_timeout", "pooled", "prepare_threshold", "schema", "sslnegotiation",
        "socket_timeout", "statement_cache_size", "supa", "tcp_user_timeout", "uselibpqcompat",
    }
)  # fmt: skip
"""Parameters of libpq, Prisma and poolers that Callgate answers by settings of its own or not at all."""

SSL_ACCEPT = {"strict": "verify-full", "accept_invalid_certs": "require"}
"""Prisma's `sslaccept` in libpq's words."""


SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SSL = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
"""The `ssl` of Node's driver in libpq's words."""
SESSIONS = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
WORDS = {"sslmode": SSL_MODES, "target_session_attrs": SESSIONS}


def parse_database_url(text: str) -> str:
    """An address in the form that the driver reads: the password encoded, foreign parameters dropped.
    Quotes around it, and the `psql` that hosts print before it, are left out.

    Raises `BadTextError` with what is wrong and never with a part of the address.
    """
    pasted = unquoted(trim(text).removeprefix("psql "))
    scheme = SCHEME.match(pasted[:40])
    if scheme is None:
        raise BadTextError("must begin with postgresql://")
    if len(pasted) > MOST or any(sign in pasted for sign in "\r\n\t\0"):
        raise BadTextError("has a line break inside or is too long: paste it as one line")
    user, server = split_user(pasted[scheme.end() :])
    hosts, slash, rest = server.partition("/")
    if not slash:
        hosts, _, query = server.partition("?")
        database = ""
    else:
        database, _, query = rest.partition("?")
    if not all(is_host(host) for host in hosts.split(",")):
        raise BadTextError("has no readable host and port after the @, such as db.internal:5432")
    parameters = read_parameters(query)
    address = f"postgresql://{user}{hosts}"
    if database or parameters:
        address += f"/{escaped(database)}"
    return f"{address}?{urlencode(parameters, quote_via=quote)}" if parameters else address


def split_user(text: str) -> tuple[str, str]:
    """The user and password, encoded and with their @, and what follows them.

    The last @ before the parameters ends them: a password may have every other sign unencoded, but for
    what looks like parameters: then another server could be meant. Raises `BadTextError`.
    """
    address, mark, query = text.rpartition("?")
    if not mark or not PARAMETERS.fullmatch(query):
        address = text
    elif "@" in query:
        raise BadTextError(
            "has an @ after the ?: write a ? in the password as %3F, another @ as %40"
        )
    user, at, _ = address.rpartition("@")
    if not at:
        return "", text
    name, colon, password = user.partition(":")
    return f"{escaped(name)}{colon}{escaped(password)}@", text[len(user) + 1 :]


def escaped(part: str) -> str:
    """A part percent-encoded once: what is encoded already stays so."""
    return quote(part if ENCODED.search(part) else unquote(part), safe="")


def is_host(text: str) -> bool:
    """Whether a text is a host, perhaps with a port; an empty one is the socket's folder."""
    found = HOST.fullmatch(text)
    return found is not None and int((found[2] or ":1")[1:]) in range(1, 65_536)


def read_parameters(query: str) -> dict[str, str]:
    """The parameters for the driver. Raises `BadTextError`."""
    kept = dict[str, str]()
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "sslaccept":
            kept.setdefault("sslmode", SSL_ACCEPT.get(value, "require"))
        elif name == "ssl" and value in SSL:
            kept.setdefault("sslmode", SSL[value])
        elif name in WORDS and value not in WORDS[name]:
            raise BadTextError(f"has an unknown {name}: write one of {', '.join(WORDS[name])}")
        elif name not in IGNORED:
            kept[name] = value
    return kept
