"""What other admins changed of an object, for a form that noticed it."""

from dataclasses import dataclass
from datetime import datetime

from service.admin.timeline import Timeline
from service.web.panel.audit.views import EventView, event_view
from service.web.panel.kit.visit import Visit

SHOWN = 10


@dataclass(frozen=True, slots=True)
class ObjectUpdates:
    """Reads the audit."""

    events: Timeline

    async def find(self, visit: Visit, object_id: str, since: datetime) -> list[EventView]:
        """The changes of an object after an instant, newest first."""
        found = await self.events.updates(object_id, since, SHOWN)
        return [event_view(event, visit) for event in found]
