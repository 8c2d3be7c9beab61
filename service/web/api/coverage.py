"""The API's operation on coverage: where blocked calls of a number are stopped, and the holes."""

from dataclasses import dataclass

from pydantic import BaseModel

from service.admin.phone_numbers.coverage import Coverages
from service.web.api.operations import ApiRequest, Operation
from service.web.shapes.coverage import Coverage


@dataclass(frozen=True, slots=True)
class CoverageOperations:
    """Reads requests, calls the use cases, shapes answers."""

    coverages: Coverages

    async def get(self, request: ApiRequest) -> BaseModel:
        found = await self.coverages.of(request.ids["phone_number_id"])
        return Coverage.model_validate(found)

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/phone-numbers/{phone_number_id}/coverage",
                "Where blocked calls of a number are stopped, and where they are not",
                self.get,
                Coverage,
            )
        ]
