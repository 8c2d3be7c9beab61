"""What we last wrote to an object, and what follows: who changed it since, and what is ours to remove.
Pure.

Stored as JSON, with a fingerprint in place of the secret.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from service.domain.fingerprint import fingerprint
from service.domain.phone_numbers import Cause, FieldDrift
from service.inputs.urls import same_url
from service.reconcile.desired import SECRET_HEADER, DesiredWebhook
from service.reconcile.steps.webhook_fields import (
    Server,
    canonical,
    header_values,
    is_ours,
    plain,
    put_back,
    without_our_secret,
)

Applied = Mapping[str, Any]


def applied_of(desired: DesiredWebhook, shown: object = None) -> dict[str, Any]:
    """What to store once Vapi has the desired state; `shown` as from `secret_form`."""
    return {
        "url": desired.url,
        "timeoutSeconds": desired.timeout_seconds,
        "backoffPlan": plain(desired.backoff_plan),
        "secret": None if desired.secret is None else fingerprint(desired.secret),
        "master": fingerprint(desired.masters[0]) if desired.secret and desired.masters else None,
        "shown": shown,
    }


def secret_form(desired: DesiredWebhook, answered: Server | None) -> list[str] | None:
    """How Vapi shows the secret in its answer to our write, as fingerprints; None: as it was written.

    A write-only value comes back masked, encrypted or not at all. Only the answer to the write
    itself distinguishes this from a value that another tool wrote.
    """
    if desired.secret is None or answered is None:
        return None
    values = header_values(answered.get("headers"))
    if values == [desired.secret]:
        return None
    return [fingerprint(str(value)) for value in values]


def accepted_form(
    applied: Applied | None, desired: DesiredWebhook, observed: Server | None
) -> object:
    """The header values that count as the desired secret besides itself, for `webhook_fields.changes`.

    They are what Vapi showed after we wrote this secret, if it shows the same again; else None.
    """
    if applied is None or desired.secret is None or applied.get("shown") is None:
        return None
    if applied.get("secret") != fingerprint(desired.secret):
        return None
    values = header_values((observed or {}).get("headers"))
    same = [fingerprint(str(value)) for value in values] == applied["shown"]
    return values if same else None


def cause_of(
    drift: Sequence[FieldDrift],
    observed: Server | None,
    applied: Applied | None,
    desired: DesiredWebhook,
) -> Cause:
    """Why a webhook has to change: it is new, the desired state changed, or another tool changed it.

    One field that differs from what we wrote is enough for `drift`.
    """
    if applied is None:
        return "added"
    theirs = [entry for entry in drift if not is_as_we_left_it(entry, observed, applied)]
    if theirs:
        return "drift"
    rotated = is_rotation(drift, observed, applied, desired)
    return "secret_rotated" if rotated else "desired_changed"


def is_as_we_left_it(entry: FieldDrift, observed: Server | None, applied: Applied) -> bool:
    """Whether a field that differs from the desired value still has the value that we wrote."""
    server = observed or {}
    name = entry.field.rpartition("server.")[2]
    if name.startswith("headers."):
        values = header_values(server.get("headers"))
        found = [fingerprint(str(value)) for value in values]
        return found == [applied.get("secret")] or found == applied.get("shown")
    return name in server and canonical(server[name]) == canonical(applied.get(name))


def is_rotation(
    drift: Sequence[FieldDrift],
    observed: Server | None,
    applied: Applied,
    desired: DesiredWebhook,
) -> bool:
    """Whether only the secret differs, and the one that we wrote last is of a master that we know.

    That master itself was written before secrets were derived from it. Where Vapi masks the header,
    the record of the last write tells.
    """
    if len(drift) != 1 or not drift[0].field.endswith(f"headers.{SECRET_HEADER}"):
        return False
    values = header_values((observed or {}).get("headers"))
    if len(values) == 1 and desired.knows(values[0]):
        return True
    wrote = applied.get("master") or applied.get("secret")
    return wrote in [fingerprint(master) for master in desired.masters]


def posts_to_us(desired: DesiredWebhook, observed: Server | None, applied: Applied | None) -> bool:
    """Whether a block posts to us, by the current URL or by the one that we wrote last."""
    last = (applied or {}).get("url")
    url = (observed or {}).get("url")
    return is_ours(desired, observed) or (last is not None and same_url(url, last))


def way_back(
    desired: DesiredWebhook,
    observed: Server | None,
    applied: Applied | None,
    former: Server | None,
) -> dict[str, Any]:
    """The change that removes our webhook and restores `former`; empty where nothing is ours."""
    if posts_to_us(desired, observed, applied):
        return {"server": put_back(observed, former)}
    # Another webhook by now: our secret must not be sent there any longer.
    cleaned = without_our_secret(desired, observed)
    return {} if cleaned is None else {"server": cleaned}
