"""A row of an import names one organization, however it names it."""

from uuid import uuid4

import pytest

from service.admin.imports.organization_imports import judge
from service.admin.imports.organization_rows import ImportedOrganization
from service.domain.organizations import Organization

BAKERY = Organization(uuid4(), "Bakery")
DENTIST = Organization(uuid4(), "Dentist", external_id="cus_D")


@pytest.mark.parametrize(
    "names",
    [
        # The first import from billing: two customers of one name, and one organization without an id.
        [("Bakery", "cus_A"), ("Bakery", "cus_B")],
        [("Bakery", "cus_A"), ("Bakery", None)],
        [("Dentist", "cus_D"), ("Dentist", None)],
        [("Dentist", None), ("Dentist and sons", "cus_D")],
        [("Florist", "cus_F"), ("Florist", "cus_F")],
    ],
)
def test_the_second_row_of_an_organization_is_refused(names: list[tuple[str, str | None]]) -> None:
    first: dict[object, int] = {}
    rows = [ImportedOrganization(line, *given) for line, given in enumerate(names, start=2)]
    planned = [judge(row, [BAKERY, DENTIST], first) for row in rows]
    assert [row.action == "error" for row in planned] == [False, True]
    assert "organization of line 2" in (planned[1].message or "")


def test_two_new_customers_of_one_name_stay_two() -> None:
    first: dict[object, int] = {}
    rows = [
        ImportedOrganization(2, "Florist", "cus_A"),
        ImportedOrganization(3, "Florist", "cus_B"),
    ]
    assert [judge(row, [], first).action for row in rows] == ["create", "create"]
