"""Organizations whose plans have limits."""

from service.domain.organizations import Organization
from service.store.organizations.organizations import COLUMNS, organization_of
from service.store.pool import Pool

LIST_LIMITED = COLUMNS + "WHERE p.limits IS NOT NULL ORDER BY lower(o.name), o.id"


async def list_limited(pool: Pool) -> list[Organization]:
    """Every organization with a plan that has limits, by name."""
    return [organization_of(row) for row in await pool.fetch(LIST_LIMITED)]
