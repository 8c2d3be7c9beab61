"""The same work may wait equally long over the API and in the panel."""

import pytest

from service.web.api.build import operations
from service.web.panel.build import call_pages, number_pages, organization_pages
from tests.support.service import Replica

RELAY = "/organizations/{organization_id}/relay"
UNDO = "/undo/{audit_id}"
FORGET = "/calls/{call_id}/forget"
LONG = [
    ("POST /reconcile", "POST /repairs/look"),
    ("POST /reconcile", "POST /repairs/apply"),
    ("POST /imports", "POST /organizations/import"),
    ("POST /imports", "POST /numbers/import"),
    ("POST /imports/{import_id}/undo", f"POST {UNDO}"),
    (f"POST {RELAY}/replay", f"POST {RELAY}/replay"),
    # A dry run counts, as the page with the button does.
    ("POST /calls/forget", f"GET {FORGET}"),
    ("POST /calls/forget", f"POST {FORGET}"),
]


@pytest.mark.parametrize(("operation", "page"), LONG)
async def test_the_api_and_the_panel_agree_on_what_is_long(
    callgate: Replica, operation: str, page: str
) -> None:
    service = callgate.service
    cases = service.use_cases
    served = {f"{one.method} {one.path}": one.is_long for one in operations(cases, service.access)}
    groups = [
        *organization_pages(cases),
        *number_pages(cases, service.reconciling),
        *call_pages(cases),
    ]
    shown = {f"{one.method} {one.path}": one.is_long for group in groups for one in group.pages()}
    assert (served[operation], shown[page]) == (True, True)


async def test_no_other_operation_is_long(callgate: Replica) -> None:
    service = callgate.service
    found = operations(service.use_cases, service.access)
    long = {f"{one.method} {one.path}" for one in found if one.is_long}
    assert long == {operation for operation, _ in LONG}
