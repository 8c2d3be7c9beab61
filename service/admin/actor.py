"""The actor of a change, and the rights of the three roles."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from service.domain.errors import ForbiddenError
from service.domain.people import Role, Scope
from service.domain.phone_numbers import Order

SUPPORT_OVERRIDE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in admin or a token. `source` is where the change came in: api, web, cli, system.

    Every actor may read everything but tokens. A token may be limited to areas of the API (`scopes`;
    none are all) and in time: it cannot create a token with more rights. `token_id` or `admin_id` is
    who a created token ends with; the command line and the bootstrap token have neither.
    """

    name: str
    role: Role
    source: str
    scopes: frozenset[Scope] = field(default=frozenset(), kw_only=True)
    expires_at: datetime | None = field(default=None, kw_only=True)
    token_id: UUID | None = field(default=None, kw_only=True)
    admin_id: UUID | None = field(default=None, kw_only=True)
    part_of: int | None = field(default=None, kw_only=True)
    """The audit entry that the entries of this actor's changes are parts of."""

    @property
    def order(self) -> Order:
        """The cause recorded for changes at Vapi."""
        return Order(self.name, self.source)

    def reaches(self, area: str) -> bool:
        """Whether the scopes of a token include this area of the API."""
        return not self.scopes or area in self.scopes

    def require_admin(self) -> None:
        """Raise `ForbiddenError` unless the role is admin."""
        if self.role != "admin":
            raise ForbiddenError(f"The role {self.role} is not enough; this needs admin.")

    def require_support(self) -> None:
        """Raise `ForbiddenError` unless the role is support or admin."""
        if self.role not in ("support", "admin"):
            raise ForbiddenError(
                f"The role {self.role} is not enough; this needs support or admin."
            )

    def require_short(self, expires_at: datetime | None, now: datetime) -> None:
        """Support may change overrides that expire within a week, admins all."""
        if self.role == "admin":
            return
        if expires_at is None or expires_at > now + SUPPORT_OVERRIDE:
            raise ForbiddenError(
                "The role support may only set, replace and remove overrides that expire within "
                "7 days (expires_at)."
            )
