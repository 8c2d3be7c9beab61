"""A form that was posted: done, or shown again with what was given and what is wrong at its field."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from service.domain.errors import ConflictError, ForbiddenError, InvalidError
from service.domain.texts import is_all
from service.web.panel.kit.forms import LOCAL, Form, FormError
from service.web.panel.kit.visit import Visit
from service.web.shapes.fields import RFC_3339

FIELDS: Mapping[str, str] = {
    "external_id_taken": "external_id",
    "assistant_taken": "assistant_ids",
    "invalid_forward_url": "forward_url",
}
"""Where on a form a fault of a use case belongs; those not named here concern the whole form."""

Act = Callable[[Form], Awaitable[web.Response]]


async def fill_in(visit: Visit, template: str, act: Act, **context: Any) -> web.Response:
    """Let `act` do what the form asks for; if it cannot be taken, show `template` again."""
    form = await visit.form()
    try:
        return await act(form)
    except FormError as exc:
        faults, status = dict(exc.faults), 422
    except (InvalidError, ConflictError, ForbiddenError) as exc:
        field = str(exc.facts.get("field") or FIELDS.get(exc.code, ""))
        faults, status = {field: exc.message}, exc.status
    values = {name: readable(text) for name, text in form.items()}
    return await visit.show(template, status, **{**context, "values": values, "faults": faults})


def readable(text: str) -> object:
    """What was given, as a field shows it again: instants in the form that a browser's field has."""
    if is_all(RFC_3339, text):
        return datetime.fromisoformat(text)
    return text[:16] if is_all(LOCAL, text) else text


def whole_number(text: str) -> object:
    """Digits as the number that they are, anything else as it is, to be judged by a shape."""
    return int(text) if is_all(r"[0-9]{1,9}", text) else text
