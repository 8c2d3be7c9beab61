"""`GET /traffic-allocations/latest`: how an assistant's calls are split over its published versions.

A beta at Vapi: organizations without access get 403.
"""

from dataclasses import dataclass, field

import orjson
from aiohttp import web

from service.sandbox.collection import Json
from service.sandbox.errors import VapiProblem
from service.sandbox.resources import json_response


@dataclass
class TrafficSplits:
    """The splits by assistant: percentages by version. `access`: the organization has the beta."""

    access: bool = False
    by_assistant: dict[str, dict[str, float]] = field(default_factory=dict)

    def split(self, assistant_id: str, **percentages: float) -> None:
        """Split an assistant's calls, such as `v7=90, v6=10`."""
        self.access = True
        self.by_assistant[assistant_id] = percentages

    async def latest(self, request: web.Request) -> web.Response:
        if not self.access:
            raise VapiProblem(403, "Traffic splitting is not enabled for this organization.")
        assistant_id = request.query.get("assistantId", "")
        if not assistant_id:
            raise VapiProblem(400, ["assistantId must be a UUID"])
        found = self.by_assistant.get(assistant_id)
        targets: list[Json] = [
            {"assistantVersion": version, "position": place, "percentage": percentage}
            for place, (version, percentage) in enumerate((found or {}).items())
        ]
        allocation = {
            "assistantId": assistant_id,
            "allocationIntent": "explicit",
            "targets": targets,
        }
        return json_response(orjson.dumps({} if found is None else {"allocation": allocation}))
