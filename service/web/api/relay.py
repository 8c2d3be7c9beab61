"""The API's operations on the relay to an organization's own server."""

from dataclasses import dataclass

from pydantic import BaseModel

from service.admin.relay import RelayCases
from service.domain.relay.messages import RelayStatus
from service.web.api.operations import ApiRequest, Operation
from service.web.shapes import relay as shapes


def relay_shape(status: RelayStatus) -> shapes.Relay:
    values = {name: getattr(status, name) for name in shapes.Relay.model_fields}
    return shapes.Relay.model_validate(values)


@dataclass(frozen=True, slots=True)
class RelayOperations:
    """Read requests, call the use cases, shape answers."""

    relay: RelayCases

    async def get_relay(self, request: ApiRequest) -> BaseModel:
        """`parked`: the server failed repeatedly; one message at a time probes it, and all that wait
        follow once it takes one. `off`: the organization has no `forward_url`."""
        return relay_shape(await self.relay.status(request.ids["organization_id"]))

    async def create_relay_secret(self, request: ApiRequest) -> BaseModel:
        """The secret is in this answer only. The former one signs beside it for 24 hours."""
        secret = await self.relay.create_secret(request.actor, request.ids["organization_id"])
        return shapes.RelaySecret(secret=secret)

    async def resume_relay(self, request: ApiRequest) -> BaseModel:
        """Try the server again at once, with all messages that wait."""
        found = await self.relay.resume(request.actor, request.ids["organization_id"])
        return relay_shape(found)

    async def replay_relay(self, request: ApiRequest) -> BaseModel:
        """Deliver kept messages again, each with its former `webhook-id`; they are kept for 3 days."""
        body: shapes.ReplayBody = request.body
        count = await self.relay.replay(
            request.actor, request.ids["organization_id"], body.since, body.until
        )
        return shapes.Replayed(messages=count)

    def operations(self) -> list[Operation]:
        relay = "/organizations/{organization_id}/relay"
        return [
            Operation("GET", relay, "Get the relay's state", self.get_relay, shapes.Relay),
            Operation(
                "PUT",
                f"{relay}/secret",
                "Create a signing secret; it is shown once",
                self.create_relay_secret,
                shapes.RelaySecret,
                is_secret=True,
            ),
            Operation(
                "POST",
                f"{relay}/resume",
                "Resume a parked relay",
                self.resume_relay,
                shapes.Relay,
            ),
            Operation(
                "POST",
                f"{relay}/replay",
                "Deliver kept messages again",
                self.replay_relay,
                shapes.Replayed,
                body=shapes.ReplayBody,
                is_long=True,
            ),
        ]
