"""Comparing a server block with the desired one, field by owned field, and merging the two. Pure.

Only what we own can drift: foreign headers, credentials and keys that we have never heard of are
carried over. Values are compared in canonical form; absent and null are told apart from values,
and the secret itself never leaves this module unmasked.
"""

from collections.abc import Mapping
from typing import Any

from service.domain.phone_numbers import FieldDrift
from service.reconcile.desired import SECRET_HEADER, DesiredWebhook

MASK = "••••••"
ABSENT = "(absent)"


def changes(desired: DesiredWebhook, observed: Mapping[str, Any] | None) -> tuple[FieldDrift, ...]:
    """The owned fields whose observed value differs; empty when all is as it should be."""
    server = observed or {}
    found = []
    for name, wanted in (
        ("url", desired.url),
        ("timeoutSeconds", desired.timeout_seconds),
        ("backoffPlan", desired.backoff_plan),
    ):
        seen = server.get(name, ABSENT)
        if canonical(seen) != canonical(wanted):
            shown = canonical_backoff(seen) if name == "backoffPlan" else seen
            found.append(FieldDrift(f"server.{name}", wanted, shown))
    if desired.secret is not None:
        seen = header_values(server.get("headers"))
        if seen != [desired.secret]:
            shown = MASK if seen else ABSENT
            found.append(FieldDrift(f"server.headers.{SECRET_HEADER}", MASK, shown))
    return tuple(found)


def merged(desired: DesiredWebhook, observed: Mapping[str, Any] | None) -> dict[str, Any]:
    """The whole block to send: ours over what is there. Vapi replaces a sent field whole."""
    server = {key: value for key, value in (observed or {}).items() if value is not None}
    server["url"] = desired.url
    server["timeoutSeconds"] = desired.timeout_seconds
    server["backoffPlan"] = dict(desired.backoff_plan)
    if desired.secret is not None:
        headers = server.get("headers")
        kept = headers if isinstance(headers, Mapping) else {}
        server["headers"] = {
            name: value for name, value in kept.items() if name.lower() != SECRET_HEADER.lower()
        } | {SECRET_HEADER: desired.secret}
    return server


def is_ours(desired: DesiredWebhook, observed: Mapping[str, Any] | None) -> bool:
    """Whether the number still posts to us: only then is there something of ours to take back."""
    return observed is not None and canonical(observed.get("url")) == canonical(desired.url)


def header_values(headers: object) -> list[object]:
    """Every value of our header; HTTP does not care how its name is written."""
    if not isinstance(headers, Mapping):
        return []
    return [value for name, value in headers.items() if str(name).lower() == SECRET_HEADER.lower()]


def canonical(value: object) -> object:
    """One form for values that mean the same: 20 and 20.0, a plan and the same plan reordered."""
    if isinstance(value, Mapping):
        return {key: canonical(item) for key, item in sorted(canonical_backoff(value).items())}
    if isinstance(value, list | tuple):
        return sorted((canonical(item) for item in value), key=repr)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return float(value)


def canonical_backoff(value: object) -> dict[str, Any]:
    """Without null members, which Vapi may add for what was never set."""
    if not isinstance(value, Mapping):
        return {}
    return {str(key): item for key, item in value.items() if item is not None}
