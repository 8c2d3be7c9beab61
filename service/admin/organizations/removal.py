"""What an undo must not remove: an organization that admins have made more of since it was added."""

from service.admin.actor import Actor
from service.admin.changes import undone_by
from service.admin.errors import ChangedSinceError
from service.domain.organizations import Organization


def check_removal(actor: Actor, organization: Organization) -> None:
    """Raise `ChangedSinceError` for an undo of an organization with policies or a relay's secret of its
    own: a new one has neither, and they would go with it. What else differs, its audit entry says."""
    chosen = organization.policies or organization.relay_secret
    if chosen and undone_by(actor) is not None:
        raise ChangedSinceError
