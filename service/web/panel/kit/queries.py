"""The filters in a page's address, checked by the shapes that check the API's queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from service.domain.errors import InvalidError
from service.web.panel.kit.forms import FormError, is_instant, judge, written
from service.web.panel.kit.visit import Visit

Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class PageFilters(Generic[Shape]):
    """`asked` are the texts in the address, `query` their values: no filters if there are faults."""

    asked: Mapping[str, str]
    query: Shape
    faults: Mapping[str, str]

    @property
    def status(self) -> int:
        return 422 if self.faults else 200

    def fault(self, things: str) -> str:
        """A sentence about the invalid filters of a list of `things`; "" if there are none."""
        if not self.faults:
            return ""
        named = ", ".join(f"{name}: {text}" for name, text in self.faults.items())
        return f"The address has invalid filters ({named.rstrip('.')}). All {things} are shown."


def read_export(visit: Visit, shape: type[Shape]) -> Shape:
    """The filters of a list to be exported. Raises `InvalidError`: a file says nothing of its faults."""
    filters = read_filters(visit, shape)
    if filters.faults:
        raise InvalidError(f"The address has invalid filters: {', '.join(filters.faults)}.")
    return filters.query


def read_filters(visit: Visit, shape: type[Shape]) -> PageFilters[Shape]:
    """The filters of a list."""
    asked = {name: visit.asked(name) for name in shape.model_fields}
    given = {
        name: written(asked[name]) if is_instant(field.annotation) else asked[name]
        for name, field in shape.model_fields.items()
        if asked[name]
    }
    try:
        return PageFilters(asked, judge(shape, given), {})
    except FormError as exc:
        return PageFilters(asked, shape(), exc.faults)
