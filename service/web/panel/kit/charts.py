"""Charts as SVG, drawn here: bars of calls with the blocked ones in them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT, FOOT, TOP = 720.0, 180.0, 18.0, 14.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar where it stands; the blocked part begins at the foot."""

    at: datetime
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
    """Bars over time. `most` is the highest."""

    bars: Sequence[Bar]
    most: int
    calls: int
    blocked: int
    width: float = WIDTH
    height: float = HEIGHT
    foot: float = HEIGHT - FOOT


def chart_of(points: Sequence[tuple[datetime, int, int]]) -> Chart:
    """A chart of instants with their calls, and how many of these were blocked."""
    most = max((calls for _, calls, _ in points), default=0)
    room = HEIGHT - FOOT - TOP
    step = WIDTH / max(len(points), 1)
    bars = []
    for number, (at, calls, blocked) in enumerate(points):
        tall, part = (room * count / max(most, 1) for count in (calls, blocked))
        foot = HEIGHT - FOOT
        x, width = number * step + step * 0.1, step * 0.8
        sizes = (x, width, foot - tall, tall, foot - part, part)
        bars.append(Bar(at, calls, blocked, *(round(size, 1) for size in sizes)))
    total = sum(calls for _, calls, _ in points)
    return Chart(bars, most, total, sum(blocked for _, _, blocked in points))
