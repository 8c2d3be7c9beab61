"""Opening hours: calls are denied outside of weekly hours, on holidays, and as exceptions say.

What the clock on the wall shows decides, also in the hour that a change of the clocks skips or repeats.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, PrivateAttr, WithJsonSchema

from policies.contract import AccessPolicy, AccessRequest, Direction, Verdict, abstain, deny
from policies.fields import Diversion, Spoken, TimeZone
from policies.hookspecs import hookimpl
from policies.host.week import (
    MIDNIGHT,
    YearlyDate,
    parse_dates,
    parse_exceptions,
    parse_weekly,
)

REASONS = OUTSIDE, HOLIDAY = "outside_opening_hours", "holiday"

DAY = timedelta(days=1)
HORIZON = timedelta(days=35)
"""How far ahead the next change is looked for at once: the search runs on the event loop. Where none is
found, it is looked for again at the horizon."""
MARGIN_DAYS = 4
"""How many days more are read, so that all that changes before the horizon is found."""
MOST_SPANS = 100

Intervals = tuple[tuple[int, int], ...]
"""From a minute of the day to before another one; a smaller second one lies on the following day."""


class OpeningHoursSettings(BaseModel):
    """The hours. Intervals are written `09:00-17:30`; one such as `22:00-02:00` goes on after midnight
    and belongs to the day that it begins on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weekly: Annotated[
        Mapping[int, Intervals],
        PlainValidator(parse_weekly),
        WithJsonSchema({"type": "object"}),
    ] = Field(
        description="Intervals by day: monday … sunday, or days such as monday-friday. Days that are "
        'not named are closed. Such as `{"monday-friday": ["09:00-17:30"]}`.'
    )
    holidays: Annotated[
        frozenset[date | YearlyDate],
        PlainValidator(parse_dates),
        WithJsonSchema({"type": "array", "items": {"type": "string"}}),
    ] = Field(frozenset(), description="Closed days: 2026-12-25, or 12-25 for every year.")
    exceptions: Annotated[
        Mapping[date, Intervals],
        PlainValidator(parse_exceptions),
        WithJsonSchema({"type": "object"}),
    ] = Field(
        default_factory=dict,
        description="Intervals by date, which count instead of those of the week and of a holiday.",
    )
    time_zone: TimeZone | None = Field(
        None, description="The time zone of the hours; without one the organization's, else UTC."
    )
    directions: frozenset[Direction] = Field(
        frozenset({"inbound", "outbound", "web"}),
        description="The calls that the hours count for: "
        "`inbound`, `outbound`, `web`. All, if left out.",
    )
    message: Spoken | None = Field(None, description="What a denied caller hears.")
    divert_to: Diversion | None = Field(
        None, description="Where denied calls go instead: a number, or an answer as Vapi takes it."
    )

    _spans: dict[str, "Span"] = PrivateAttr(default_factory=dict)

    def span_at(self, at: datetime, zone: str) -> "Span":
        """Whether it is open at an instant, and the time around it in which that does not change."""
        span = self._spans.get(zone)
        if span is None or not span.since <= at < span.until:
            span = find_span(self, at, ZoneInfo(zone))
            if len(self._spans) < MOST_SPANS or zone in self._spans:
                self._spans[zone] = span
        return span

    def hours_of(self, day: date) -> Intervals:
        """The intervals that begin on a day."""
        if (own := self.exceptions.get(day)) is not None:
            return own
        return () if self.is_holiday(day) else self.weekly.get(day.weekday(), ())

    @property
    def has_dates(self) -> bool:
        """Whether something may change beyond the horizon: weeks are alike."""
        return bool(self.holidays or self.exceptions)

    def is_holiday(self, day: date) -> bool:
        return day in self.holidays or YearlyDate(day.month, day.day) in self.holidays


class Span(NamedTuple):
    """A time in which the answer does not change. `ends` is False if no change was found
    before the horizon."""

    is_open: bool
    since: datetime
    until: datetime
    ends: bool


class OpeningHoursPolicy:
    """Denies while it is closed; it never grants."""

    name = "opening_hours"
    order = 50
    pure = True
    settings = OpeningHoursSettings

    def evaluate(self, request: AccessRequest) -> Verdict:
        """Compare the instant with the hours; `until` is when it opens or closes next."""
        settings: OpeningHoursSettings = request.settings
        direction = request.call and request.call.direction
        if direction and direction not in settings.directions:
            return abstain()
        if request.purpose == "ring_gate" and "inbound" not in settings.directions:
            return abstain()
        zone = settings.time_zone or request.organization.time_zone or "UTC"
        span = settings.span_at(request.at, zone)
        until = span.until if span.ends or settings.has_dates else None
        if span.is_open:
            return abstain(until=until)
        today = request.at.astimezone(ZoneInfo(zone)).date()
        holiday = settings.is_holiday(today) and today not in settings.exceptions
        return deny(
            HOLIDAY if holiday else OUTSIDE,
            until=until,
            message=settings.message,
            divert_to=settings.divert_to,
        )


def find_span(settings: OpeningHoursSettings, at: datetime, zone: ZoneInfo) -> Span:
    """Whether it is open at an instant, until the first one at which the answer is another."""
    is_open = is_open_at(settings, at, zone)
    for candidate in list_candidates(settings, at, zone):
        if is_open_at(settings, candidate, zone) != is_open:
            return Span(is_open, at, candidate, ends=True)
    return Span(is_open, at, at + HORIZON, ends=False)


def is_open_at(settings: OpeningHoursSettings, at: datetime, zone: ZoneInfo) -> bool:
    """Whether the clock on the wall shows a time within the hours of the day, or of the night before."""
    local = at.astimezone(zone)
    minute, today = local.hour * 60 + local.minute, local.date()
    for begin, end in settings.hours_of(today):
        if begin <= minute and (minute < end or end <= begin):
            return True
    return any(end <= begin and minute < end for begin, end in settings.hours_of(today - DAY))


def list_candidates(
    settings: OpeningHoursSettings, at: datetime, zone: ZoneInfo
) -> Iterator[datetime]:
    """The instants at which the answer may change, in order: beginnings and ends of intervals, the
    second ones too where clocks are set back, and each change of the clocks."""
    first = at.astimezone(zone).date() - DAY
    pending: set[datetime] = set()
    for ahead in range(HORIZON.days + MARGIN_DAYS):
        day = first + ahead * DAY
        minutes = {edge for one in settings.hours_of(day) for edge in one}
        minutes |= {end for begin, end in settings.hours_of(day - DAY) if end <= begin}
        pending |= {
            instant_of(day, minute, zone, fold)
            for minute in minutes | {0}
            for fold in (0, 1)
            if minute < MIDNIGHT
        }
        pending |= set(list_clock_changes(day, zone))
        # Of a day that a country skipped, times lie among those of the days beside it.
        before = instant_of(day - DAY, 0, zone, 0)
        due = {one for one in pending if one < before}
        yield from sorted(one for one in due if one > at)
        pending -= due


def instant_of(day: date, minute: int, zone: ZoneInfo, fold: int) -> datetime:
    """When a clock on the wall shows a time of a day; `fold` 1: for the second time that day."""
    hour, minute = divmod(minute, 60)
    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold)
    return local.astimezone(UTC)


def list_clock_changes(day: date, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants of a day at which clocks are set forward or back."""
    begin = min(instant_of(day, 0, zone, fold) for fold in (0, 1))
    end = max(instant_of(day + DAY, 0, zone, fold) for fold in (0, 1))
    before, after = (one.astimezone(zone).utcoffset() for one in (begin, end))
    if before == after:
        return
    low, high = int(begin.timestamp()), int(end.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        at = datetime.fromtimestamp(middle, zone)
        low, high = (middle, high) if at.utcoffset() == before else (low, middle)
    yield datetime.fromtimestamp(high, UTC)


@hookimpl
def register_access_policies() -> list[AccessPolicy]:
    """Enter the chain like any other plugin."""
    return [OpeningHoursPolicy()]
