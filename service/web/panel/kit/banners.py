"""Conditions as notices: on every page those that concern the whole service, on the overview all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.domain.conditions import Condition
from service.domain.wording.labels import Tone, tone_of
from service.web.panel.kit.navigation import page_name
from service.web.panel.kit.visit import ROOT

MOST = 3


@dataclass(frozen=True, slots=True)
class ConditionNotice:
    """A condition with the page that solves it."""

    text: str
    remedy: str
    tone: Tone
    address: str
    link: str


def condition_notice(condition: Condition) -> ConditionNotice:
    return ConditionNotice(
        condition.text,
        condition.remedy,
        tone_of(condition.severity),
        f"{ROOT}/{condition.link}" if condition.link else ROOT,
        f"Open {page_name(condition.link)}",
    )


@dataclass(frozen=True, slots=True)
class Banners:
    """The first conditions, and how many further ones the overview lists."""

    shown: Sequence[ConditionNotice]
    more: int


def banners_from(read: Callable[[], Sequence[Condition]]) -> Callable[[], Banners]:
    """A function for templates, so that only whole pages read the conditions."""

    def banners() -> Banners:
        found = [condition_notice(one) for one in read() if one.concerns_all]
        return Banners(found[:MOST], max(len(found) - MOST, 0))

    return banners
