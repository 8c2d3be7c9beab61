"""The owned fields of a server block: comparing them with the desired ones, and merging. Pure.

Only owned fields can drift: foreign headers, credentials and unknown keys are carried over. Values
are compared in canonical form; absent and null are distinct from values. The secret never leaves this
module unmasked.
"""

from collections.abc import Mapping
from typing import Any

from service.domain.phone_numbers import FieldDrift
from service.inputs.urls import canonical_url
from service.reconcile.desired import SECRET_HEADER, DesiredWebhook
from service.vapi.resources import ServerView

MASK = "••••••"
ABSENT = "(absent)"
OWNED_KEYS = ("url", "timeoutSeconds", "backoffPlan")
HIDDEN = ("headers", "secret")
LOST_SECRET = "hidden_secret"  # noqa: S105 - the name of a mark
HIDDEN_SECRET = "secret"  # noqa: S105 - the name of a field

NOT_RESTORED = FieldDrift(f"server.{HIDDEN_SECRET}", "(cannot be restored)", ABSENT)
"""The secret of a former webhook that Vapi did not show, in the history of its release."""

Server = Mapping[str, Any]


def changes(
    desired: DesiredWebhook,
    observed: Server | None,
    *,
    shown: object = None,
    within: str = "server",
) -> tuple[FieldDrift, ...]:
    """The owned fields whose observed value differs; empty when the block is in sync.

    `shown` is the form in which Vapi shows the desired secret, where it does not return it as it was
    written (`applied.secret_form`); `within` prefixes the names of the fields.
    """
    server = observed or {}
    found = []
    for name, wanted in (
        ("url", desired.url),
        ("timeoutSeconds", desired.timeout_seconds),
        ("backoffPlan", desired.backoff_plan),
    ):
        seen = server.get(name, ABSENT)
        if canonical(known_part(seen, wanted)) != canonical(wanted):
            visible = without_nulls(seen) if isinstance(seen, Mapping) else seen
            found.append(FieldDrift(f"{within}.{name}", plain(wanted), visible))
    if desired.secret is not None:
        seen = header_values(server.get("headers"))
        if seen != [desired.secret] and (shown is None or seen != shown):
            masked = MASK if seen else ABSENT
            found.append(FieldDrift(f"{within}.headers.{SECRET_HEADER}", MASK, masked))
    return tuple(found)


def merged(desired: DesiredWebhook, observed: Server | None) -> dict[str, Any]:
    """The whole block to send: our fields over the observed block. Vapi replaces a sent field whole."""
    server = dict(observed or {})
    server["url"] = desired.url
    server["timeoutSeconds"] = desired.timeout_seconds
    server["backoffPlan"] = plain(desired.backoff_plan)
    if desired.secret is not None:
        server["headers"] = {**foreign_headers(server), SECRET_HEADER: desired.secret}
    return server


def kept_original(former: Server | None, *, hidden: bool) -> dict[str, Any]:
    """What is kept of a former webhook. `hidden`: it had a secret that Vapi does not show."""
    return {"server": former, **({LOST_SECRET: True} if hidden else {})}


def hidden_secret(
    desired: DesiredWebhook, view: ServerView, within: str = "server"
) -> tuple[FieldDrift, ...]:
    """The secret of a foreign webhook that Vapi does not show: our webhook replaces it permanently."""
    if not view.hides_secret or is_ours(desired, view.server):
        return ()
    return (FieldDrift(f"{within}.{HIDDEN_SECRET}", ABSENT, MASK),)


def put_back(observed: Server | None, former: Server | None) -> dict[str, Any] | None:
    """The block to send so that the owned fields are as in `former` again.

    Changes that others made in the block meanwhile stay. A former block without a URL is no webhook
    and is restored as a whole.
    """
    if former is None or not former.get("url"):
        return None if former is None else dict(former)
    server = {key: value for key, value in (observed or {}).items() if key not in OWNED_KEYS}
    server.update({key: former[key] for key in OWNED_KEYS if key in former})
    ours = owned_headers(former)
    if MASK in ours.values():
        # Our own secret, masked in the record: the block keeps the one that it carries now.
        ours = owned_headers(observed or {})
    headers = foreign_headers(observed or {}) | ours
    server.pop("headers", None)
    if headers or isinstance(former.get("headers"), Mapping):
        server["headers"] = headers
    elif "headers" in former:
        server["headers"] = former["headers"]
    return server


def owned_differences(seen: Server | None, sent: Server | None) -> tuple[FieldDrift, ...]:
    """The owned fields that `sent` changes, masked, for the history."""
    before, after = seen or {}, sent or {}
    found = [
        FieldDrift(f"server.{key}", plain(after.get(key, ABSENT)), plain(before.get(key, ABSENT)))
        for key in OWNED_KEYS
        if canonical(before.get(key, ABSENT)) != canonical(after.get(key, ABSENT))
    ]
    old, new = header_values(before.get("headers")), header_values(after.get("headers"))
    if old != new:
        name = f"server.headers.{SECRET_HEADER}"
        found.append(FieldDrift(name, MASK if new else ABSENT, MASK if old else ABSENT))
    return tuple(found)


def without_our_secret(desired: DesiredWebhook, observed: Server | None) -> dict[str, Any] | None:
    """A block that posts elsewhere, without our secret; None if it does not carry one."""
    values = header_values((observed or {}).get("headers"))
    if observed is None or not any(desired.knows(value) for value in values):
        return None
    return {**observed, "headers": foreign_headers(observed)}


def carries_master(desired: DesiredWebhook, observed: Server | None) -> bool:
    """Whether a block carries a master secret, which belongs on no number or assistant."""
    values = header_values((observed or {}).get("headers"))
    return any(value in desired.masters for value in values)


def without_own_secrets(desired: DesiredWebhook, server: Server | None) -> dict[str, Any] | None:
    """A block as it is kept in PostgreSQL: secrets of ours are masked, foreign ones stay."""
    headers = (server or {}).get("headers")
    if server is None or not isinstance(headers, Mapping):
        return None if server is None else dict(server)
    kept = {name: MASK if desired.knows(value) else value for name, value in headers.items()}
    return {**server, "headers": kept}


def is_ours(desired: DesiredWebhook, observed: Server | None) -> bool:
    """Whether a block posts to us: only then there is something of ours to remove."""
    return observed is not None and canonical(observed.get("url")) == canonical(desired.url)


def is_accepted(desired: DesiredWebhook, observed: Server | None, *, shown: object = None) -> bool:
    """Whether the block posts to us with a secret that we accept."""
    if not is_ours(desired, observed) or desired.secret is None:
        return is_ours(desired, observed)
    values = header_values((observed or {}).get("headers"))
    one = len(values) == 1 and values[0] in (desired.secret, *desired.accepted)
    return one or (shown is not None and values == shown)


def masked(server: Server | None) -> dict[str, Any] | None:
    """A block for display: all header values and Vapi's legacy `secret` are masked."""
    if server is None:
        return None
    shown = {
        name: MASK if name in HIDDEN and value is not None else value
        for name, value in server.items()
    }
    headers = server.get("headers")
    if isinstance(headers, Mapping):
        shown["headers"] = dict.fromkeys((str(name) for name in headers), MASK)
    return shown


def header_values(headers: object) -> list[object]:
    """Every value of our header; header names are case-insensitive."""
    if not isinstance(headers, Mapping):
        return []
    return [value for name, value in headers.items() if is_our_header(name)]


def foreign_headers(server: Server) -> dict[str, Any]:
    """The headers of a block that are not ours."""
    headers = server.get("headers")
    kept = headers if isinstance(headers, Mapping) else {}
    return {name: value for name, value in kept.items() if not is_our_header(name)}


def owned_headers(server: Server) -> dict[str, Any]:
    """Our header in a block, spelled as it is there."""
    headers = server.get("headers")
    kept = headers if isinstance(headers, Mapping) else {}
    return {name: value for name, value in kept.items() if is_our_header(name)}


def is_our_header(name: object) -> bool:
    return str(name).lower() == SECRET_HEADER.lower()


def known_part(seen: object, wanted: object) -> object:
    """An observed object without the keys that we do not set: Vapi may add defaults of its own."""
    if not isinstance(seen, Mapping) or not isinstance(wanted, Mapping):
        return seen
    return {key: value for key, value in seen.items() if key in wanted}


def canonical(value: object) -> object:
    """One form for equal values: 20 and 20.0, a plan and the same plan reordered, spellings of a URL."""
    if isinstance(value, str):
        return canonical_url(value) if "://" in value else value
    if isinstance(value, Mapping):
        return {key: canonical(item) for key, item in sorted(without_nulls(value).items())}
    if isinstance(value, list | tuple):
        return sorted((canonical(item) for item in value), key=repr)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return float(value)


def without_nulls(value: Mapping[Any, Any]) -> dict[str, Any]:
    """The members that are not null: Vapi may add null for what was never set."""
    return {str(key): item for key, item in value.items() if item is not None}


def plain(value: object) -> Any:
    """A desired value as plain JSON."""
    return dict(value) if isinstance(value, Mapping) else value
