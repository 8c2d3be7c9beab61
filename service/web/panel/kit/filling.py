"""Handle a form post; re-render with errors."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web

from service.admin.errors import PreconditionFailedError
from service.admin.requests.versions import expecting
from service.domain.errors import ConflictError, ForbiddenError, InvalidError
from service.domain.instants import parse_instant
from service.domain.texts import is_all
from service.web.panel.kit.forms import LOCAL, Form, FormError
from service.web.panel.kit.versions import LOST_UPDATE, expected_of, find_updates
from service.web.panel.kit.visit import Visit

FIELDS: Mapping[str, str] = {
    "external_id_taken": "external_id",
    "policy_settings_invalid": "settings",
    "share_without_shadow": "share",
    "policy_always_enforced": "mode",
    "assistant_taken": "assistant_ids",
    "invalid_forward_url": "forward_url",
    "transfer_in_circle": "transfer_when_down",
}
"""The form field of an error code. Other errors concern the form as a whole."""

Act = Callable[[Form], Awaitable[web.Response]]


async def fill_in(
    visit: Visit, template: str, act: Act, *, overtaken: str = LOST_UPDATE, **context: Any
) -> web.Response:
    """Run `act` on the form. If the form is invalid, or its object has changed since it was opened
    (`overtaken` says so), show `template` with its values and faults.

    `values` in the context are the defaults of fields that the form did not send.
    """
    form = await visit.form()
    updates: Sequence[Any] = ()
    try:
        with expecting(expected_of(form)):
            return await act(form)
    except FormError as exc:
        faults, status = dict(exc.faults), 422
    except PreconditionFailedError as exc:
        faults, status = {"": overtaken}, exc.status
        updates = await find_updates(visit, form)
    except (InvalidError, ConflictError, ForbiddenError) as exc:
        field = str(exc.facts.get("field") or FIELDS.get(exc.code, ""))
        faults, status = {field: exc.message}, exc.status
    sent = {name: readable(text) for name, text in form.items()}
    values = {**context.pop("values", {}), **sent}
    return await visit.show(
        template, status, **context, values=values, faults=faults, updates=updates
    )


def readable(text: str) -> object:
    """A value that was sent, as a field shows it: instants in the format of a browser's field."""
    with suppress(ValueError):
        return parse_instant(text)
    return text[:16] if is_all(LOCAL, text) else text


def whole_number(text: str) -> object:
    """Digits as a number, anything else unchanged, for a shape to check."""
    return int(text) if is_all(r"[0-9]{1,9}", text) else text
