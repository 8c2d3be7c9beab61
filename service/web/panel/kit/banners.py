"""Banners on every page: the conditions that concern the whole service."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.domain.conditions import Condition

MOST = 3


@dataclass(frozen=True, slots=True)
class Banners:
    """The first conditions, and how many more the overview lists."""

    shown: Sequence[Condition]
    more: int


def banners_from(read: Callable[[], Sequence[Condition]]) -> Callable[[], Banners]:
    """A function for templates, so that only whole pages read the conditions."""

    def banners() -> Banners:
        found = [one for one in read() if one.concerns_all]
        return Banners(found[:MOST], max(len(found) - MOST, 0))

    return banners
