"""Charts as SVG, drawn here: bars of calls with the blocked ones in them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT, FOOT, TOP = 720.0, 180.0, 18.0, 14.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar where it stands; the blocked part begins at the foot. `tick` is the label below it."""

    at: datetime
    title: str
    tick: str
    calls: int
    blocked: int
    x: float
    width: float
    y: float
    height: float
    blocked_y: float
    blocked_height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over time with their texts. `most` is the highest count."""

    name: str
    title: str
    description: str
    caption: str
    bars: Sequence[Bar]
    most: int
    width: float = WIDTH
    height: float = HEIGHT
    foot: float = HEIGHT - FOOT
    tick_y: float = HEIGHT - 4


def counted(value: float) -> str:
    """A number with thin spaces between its thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


def chart_of(
    name: str, title: str, unit: str, pattern: str, points: Sequence[tuple[datetime, int, int]]
) -> Chart:
    """A chart of instants with their calls, and how many of these were blocked.

    `unit` is the time of one bar ("hour"), `pattern` the format of its start.
    """
    most = max((calls for _, calls, _ in points), default=0)
    room, foot = HEIGHT - FOOT - TOP, HEIGHT - FOOT
    step = WIDTH / max(len(points), 1)
    ticks_every = 6 if len(points) > 14 else 3
    bars = []
    for number, (at, calls, blocked) in enumerate(points):
        tall, part = (room * count / max(most, 1) for count in (calls, blocked))
        sizes = (number * step + step * 0.1, step * 0.8, foot - tall, tall, foot - part, part)
        start = at.strftime(pattern)
        text = f"{start} UTC: {counted(calls)} calls, {counted(blocked)} blocked"
        tick = "" if number % ticks_every else start
        bars.append(Bar(at, text, tick, calls, blocked, *(round(size, 1) for size in sizes)))
    total = sum(calls for _, calls, _ in points)
    stopped = sum(blocked for _, _, blocked in points)
    described = f"{counted(total)} {'call' if total == 1 else 'calls'}, {counted(stopped)} blocked"
    return Chart(
        name,
        title,
        f"{described}; at most {counted(most)} per {unit}.",
        f"{title} (UTC): {described}.",
        bars,
        most,
    )
