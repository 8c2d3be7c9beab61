"""The API's operations on webhooks at Vapi: sweeps, routes, history, pauses."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel

from service.admin.reconcile.sweeps import ReconcileStatus, ReconciliationCases
from service.admin.reconcile.webhooks import Webhooks
from service.reconcile.steps.webhook_fields import masked
from service.store.reconcile.changes import WebhookChange
from service.web.api.operations import (
    ApiRequest,
    ListPage,
    Operation,
    PageQuery,
    place_in_log,
    read_cursor,
    write_cursor,
)
from service.web.api.phone_numbers import phone_number_shape
from service.web.shapes import reconcile as reconcile_shapes
from service.web.shapes import shapes

SWEEP_SECONDS = 600.0


def standing_shape(standing: ReconcileStatus) -> reconcile_shapes.Standing:
    return reconcile_shapes.Standing.model_validate(standing)


def change_shape(change: WebhookChange) -> reconcile_shapes.WebhookChange:
    """A change without what headers say."""
    values = asdict(change)
    del values["phone_number_id"]
    shown = {"before": masked_fields(change.before), "after": masked_fields(change.after)}
    return reconcile_shapes.WebhookChange.model_validate({**values, **shown})


def masked_fields(kept: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The fields that were written as they may be shown."""
    if kept is None or "server" not in kept:
        return kept
    return {**kept, "server": masked(kept["server"])}


@dataclass(frozen=True, slots=True)
class ReconcileOperations:
    """Reads requests, calls the use cases, shapes answers."""

    cases: ReconciliationCases
    webhooks: Webhooks

    async def reconcile(self, asked: ApiRequest) -> BaseModel:
        body: reconcile_shapes.ReconcileBody = asked.body
        report = await self.cases.reconcile(asked.actor, dry_run=body.dry_run, plan=body.plan)
        fields = reconcile_shapes.SweepReport.model_fields
        values = {name: value for name, value in asdict(report).items() if name in fields}
        return reconcile_shapes.SweepReport.model_validate(values)

    async def standing(self, _asked: ApiRequest) -> BaseModel:
        return standing_shape(await self.cases.standing())

    async def pause_all(self, asked: ApiRequest) -> BaseModel:
        body: reconcile_shapes.PauseBody = asked.body
        found = await self.cases.pause(asked.actor, reason=body.reason, until=body.until)
        return standing_shape(found)

    async def resume_all(self, asked: ApiRequest) -> BaseModel:
        return standing_shape(await self.cases.resume(asked.actor))

    async def route(self, asked: ApiRequest) -> BaseModel:
        route = await self.webhooks.route(asked.ids["phone_number_id"])
        return reconcile_shapes.Route.model_validate(route)

    async def changes(self, asked: ApiRequest) -> BaseModel:
        query: PageQuery = asked.query
        after = read_cursor(query.cursor, place_in_log)
        found = await self.webhooks.changes(
            asked.ids["phone_number_id"],
            before_id=after[0] if after else None,
            limit=query.limit + 1,
        )
        items = [change_shape(change) for change in found[: query.limit]]
        return ListPage[reconcile_shapes.WebhookChange](
            items=items,
            next_cursor=write_cursor(items[-1].id) if len(found) > query.limit else None,
        )

    async def pause(self, asked: ApiRequest) -> BaseModel:
        body: reconcile_shapes.PauseBody = asked.body
        number = await self.webhooks.pause(
            asked.actor, asked.ids["phone_number_id"], reason=body.reason, until=body.until
        )
        return phone_number_shape(number)

    async def resume(self, asked: ApiRequest) -> BaseModel:
        return phone_number_shape(
            await self.webhooks.resume(asked.actor, asked.ids["phone_number_id"])
        )

    async def roll_back(self, asked: ApiRequest) -> BaseModel:
        body: reconcile_shapes.RollbackBody = asked.body
        number = await self.webhooks.roll_back(
            asked.actor, asked.ids["phone_number_id"], change_id=body.change_id
        )
        return phone_number_shape(number)

    def operations(self) -> list[Operation]:
        return [*self.of_all(), *self.of_one()]

    def of_all(self) -> list[Operation]:
        """Operations on all numbers together."""
        return [
            Operation(
                "POST",
                "/reconcile",
                "Look at all numbers now and repair what drifted",
                self.reconcile,
                reconcile_shapes.SweepReport,
                body=reconcile_shapes.ReconcileBody,
                problems=(409,),
                body_optional=True,
                seconds=SWEEP_SECONDS,
            ),
            Operation(
                "GET",
                "/reconcile",
                "How reconciling stands",
                self.standing,
                reconcile_shapes.Standing,
            ),
            Operation(
                "PUT",
                "/reconcile/pause",
                "Change nothing at Vapi for a while",
                self.pause_all,
                reconcile_shapes.Standing,
                body=reconcile_shapes.PauseBody,
            ),
            Operation(
                "DELETE",
                "/reconcile/pause",
                "End the pause of everything",
                self.resume_all,
                reconcile_shapes.Standing,
            ),
        ]

    def of_one(self) -> list[Operation]:
        """Operations on one number's webhook."""
        one, number = "/phone-numbers/{phone_number_id}", shapes.PhoneNumber
        return [
            Operation(
                "GET",
                f"{one}/route",
                "Where Vapi sends a number's events, and why",
                self.route,
                reconcile_shapes.Route,
            ),
            Operation(
                "GET",
                f"{one}/changes",
                "What was changed at Vapi for a number, newest first",
                self.changes,
                ListPage[reconcile_shapes.WebhookChange],
                query=PageQuery,
            ),
            Operation(
                "PUT",
                f"{one}/pause",
                "Change nothing at Vapi for a number",
                self.pause,
                number,
                body=reconcile_shapes.PauseBody,
            ),
            Operation("DELETE", f"{one}/pause", "End a number's pause", self.resume, number),
            Operation(
                "POST",
                f"{one}/rollback",
                "Put back what was there before a change, and pause the number",
                self.roll_back,
                number,
                body=reconcile_shapes.RollbackBody,
            ),
        ]
