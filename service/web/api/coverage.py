"""The API's operation on coverage: where blocked calls of a number are stopped, and the gaps."""

from dataclasses import dataclass

from pydantic import BaseModel

from service.admin.phone_numbers.coverage import Coverages
from service.web.api.operations import ApiRequest, Operation
from service.web.shapes.coverage import Coverage


@dataclass(frozen=True, slots=True)
class CoverageOperations:
    """Read requests, call the use cases, shape responses."""

    coverages: Coverages

    async def get_coverage(self, request: ApiRequest) -> BaseModel:
        """For each kind of call, whether a blocked one is stopped, how, and what is in the way."""
        found = await self.coverages.of(request.ids["phone_number_id"])
        return Coverage.model_validate(found)

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/phone-numbers/{phone_number_id}/coverage",
                "Describe where blocked calls of a number are stopped",
                self.get_coverage,
                Coverage,
            )
        ]
