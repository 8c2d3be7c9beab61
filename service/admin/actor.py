"""Who asks for a change, and what the three roles may do."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from service.domain.errors import ForbiddenError
from service.domain.people import Role, Scope
from service.domain.phone_numbers import Order

SUPPORT_OVERRIDE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in admin or a token. `source` is where the change came in: api, web, cli, system.

    Everybody who is known may read, tokens excepted. A token may be held to some areas of the API
    (`scopes`; none are all) and to a time: it makes no other that reaches further.
    """

    name: str
    role: Role
    source: str
    scopes: frozenset[Scope] = field(default=frozenset(), kw_only=True)
    expires_at: datetime | None = field(default=None, kw_only=True)

    @property
    def order(self) -> Order:
        """Who is named as the cause of what is then changed at Vapi."""
        return Order(self.name, self.source)

    def reaches(self, area: str) -> bool:
        """Whether this area of the API is open to a token, whatever its role."""
        return not self.scopes or area in self.scopes

    def require_admin(self) -> None:
        """Raise `ForbiddenError` for everybody but admins."""
        if self.role != "admin":
            raise ForbiddenError(f"The role {self.role} may not do this; admin may.")

    def require_support(self) -> None:
        """Raise `ForbiddenError` for those who may not even make short exceptions."""
        if self.role not in ("support", "admin"):
            raise ForbiddenError(f"The role {self.role} may not do this; support and admin may.")

    def require_short(self, expires_at: datetime | None, now: datetime) -> None:
        """Support may touch overrides that end by themselves within a week, admins all."""
        if self.role == "admin":
            return
        if expires_at is None or expires_at > now + SUPPORT_OVERRIDE:
            raise ForbiddenError(
                "The role support may only set, replace and remove overrides that expire within "
                "7 days (expires_at)."
            )
