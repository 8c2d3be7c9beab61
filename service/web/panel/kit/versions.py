"""Forms that notice a lost update: each carries the version of its object, and when it was opened."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from service.admin.organizations.organizations import organization_version
from service.admin.people.admins import admin_version
from service.admin.people.tokens import token_version
from service.admin.phone_numbers.phone_numbers import number_version
from service.admin.requests.versions import Expected
from service.domain.instants import parse_instant
from service.domain.organizations import Organization
from service.domain.people import Admin
from service.domain.phone_numbers import PhoneNumber
from service.store.people.tokens import ApiToken
from service.web.panel.kit.forms import Form
from service.web.panel.kit.visit import Visit

LOST_UPDATE = (
    "Another admin changed this after you opened the form. Your values are below, and nothing is saved "
    "yet. Save again to apply them anyway, or cancel."
)
OVERTAKEN = (
    "Another admin changed this after you opened the page, so nothing is done yet. Read the changes, "
    "then choose again."
)
"""The same of a button without values of its own."""
MOST_CHARACTERS = 64

FindUpdates = Callable[[Visit, str, datetime], Awaitable[Sequence[Any]]]
"""What was changed of an object after an instant, as a visitor sees it."""


@dataclass(frozen=True, slots=True)
class UpdateReader:
    """What the panel's forms read updates with."""

    find: FindUpdates


UPDATES = web.AppKey("UPDATES", UpdateReader)


def object_version(found: Organization | PhoneNumber | Admin | ApiToken) -> str:
    """For the hidden field `version`."""
    match found:
        case Organization():
            return organization_version(found)
        case PhoneNumber():
            return number_version(found)
        case Admin():
            return admin_version(found)
        case ApiToken():
            return token_version(found)


def exact(instant: datetime | None) -> str:
    """For the hidden field `seen_at`: RFC 3339 in UTC, to the microsecond."""
    return "" if instant is None else instant.astimezone(UTC).isoformat()


def expected_of(form: Form) -> Expected | None:
    """The version that the form shows; None for a form without one."""
    found = form.get("version", "")[:MOST_CHARACTERS]
    return frozenset({found}) if found else None


async def find_updates(visit: Visit, form: Form) -> Sequence[Any]:
    """What was changed since the form was opened; nothing where the form does not say when."""
    try:
        seen_at = parse_instant(form.get("seen_at", "")[:MOST_CHARACTERS])
    except ValueError:
        return ()
    object_id = next(iter(visit.request.match_info.values()), "")
    return await visit.request.app[UPDATES].find(visit, object_id, seen_at)
