"""Charts as SVG, drawn here: horizontal bars with their spread, and lines on logarithmic axes. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760.0
ROW, LABEL, VALUE = 30.0, 230.0, 200.0
TOP, FOOT = 44.0, 24.0
PLOT_HEIGHT, LEFT, RIGHT = 320.0, 70.0, 240.0
COLOURS = ("#1f6feb", "#d1570a", "#1a7f37", "#8250df", "#bf3989", "#57606a")
GREY, INK, SOFT = "#d0d7de", "#1f2328", "#57606a"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its value, and the smallest and the largest one that were measured."""

    label: str
    value: float
    least: float
    most: float
    text: str
    own: bool = False
    """Drawn in the colour of the service; the others are what it is compared with."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line through points."""

    label: str
    points: Sequence[tuple[float, float]]


def text(x: float, y: float, words: str, anchor: str = "start", colour: str = INK) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place}>{escape(words)}</text>"


def line(x: float, y: float, x2: float, y2: float, colour: str, *, width: float = 1) -> str:
    place = f'x1="{x:.1f}" y1="{y:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="{colour}" stroke-width="{width}"/>'


def picture(height: float, title: str, parts: Sequence[str]) -> str:
    """A whole picture on white, so that it reads on dark pages as well."""
    size = f'viewBox="0 0 {WIDTH:.0f} {height:.0f}" width="{WIDTH:.0f}" height="{height:.0f}"'
    style = 'font-family="system-ui, sans-serif" font-size="13"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style} role="img">'
    paper = '<rect width="100%" height="100%" fill="#ffffff"/>'
    name = f"<title>{escape(title)}</title>"
    heading = f'<g font-weight="600">{text(12, 24, title)}</g>'
    return "\n".join((head, name, paper, heading, *parts, "</svg>")) + "\n"


def draw_bars(title: str, bars: Sequence[Bar]) -> str:
    """Bars one below the other, each with its spread and its text."""
    most = max((bar.most for bar in bars), default=1.0) or 1.0
    room = WIDTH - LABEL - VALUE

    def at(value: float) -> float:
        return LABEL + room * value / most

    parts = []
    for place, bar in enumerate(bars):
        y = TOP + ROW * place
        middle = y + ROW / 2 - 4
        colour = COLOURS[0] if bar.own else "#8c959f"
        shape = f'x="{LABEL}" y="{y:.1f}" width="{at(bar.value) - LABEL:.1f}" height="{ROW - 8}"'
        parts += [
            text(LABEL - 10, middle + 4, bar.label, "end"),
            f'<rect {shape} fill="{colour}"/>',
            line(at(bar.least), middle, at(bar.most), middle, INK, width=1.5),
            text(at(max(bar.most, bar.value)) + 8, middle + 4, bar.text, colour=SOFT),
        ]
    return picture(TOP + ROW * len(bars) + FOOT / 2, title, parts)


def decades(least: float, most: float) -> Iterator[float]:
    """The powers of ten around a range."""
    for power in range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1):
        yield 10.0**power


def format_power(value: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{sign}"
    return f"{value:g}"


def draw_lines(title: str, x_name: str, y_name: str, lines: Sequence[Line]) -> str:
    """Lines on two logarithmic axes with a legend beside them; points of zero are left out."""
    shown = [
        Line(one.label, [point for point in one.points if min(point) > 0])  # a logarithm needs it
        for one in lines
    ]
    points = [point for one in shown for point in one.points]
    xs = list(decades(min(x for x, _ in points), max(x for x, _ in points)))
    ys = list(decades(min(y for _, y in points), max(y for _, y in points)))
    width = WIDTH - LEFT - RIGHT

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log10(x / xs[0]) / math.log10(xs[-1] / xs[0]) if len(xs) > 1 else 0.5
        up = math.log10(y / ys[0]) / math.log10(ys[-1] / ys[0]) if len(ys) > 1 else 0.5
        return LEFT + width * across, TOP + PLOT_HEIGHT * (1 - up)

    parts = []
    for x in xs:
        across, _ = place(x, ys[0])
        parts.append(line(across, TOP, across, TOP + PLOT_HEIGHT, GREY))
        parts.append(text(across, TOP + PLOT_HEIGHT + 18, format_power(x), "middle", SOFT))
    for y in ys:
        _, up = place(xs[0], y)
        parts.append(line(LEFT, up, LEFT + width, up, GREY))
        parts.append(text(LEFT - 8, up + 4, format_power(y), "end", SOFT))
    for number, one in enumerate(shown):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in one.points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = TOP + 10 + 20 * number
        parts.append(line(LEFT + width + 14, y, LEFT + width + 34, y, colour, width=3))
        parts.append(text(LEFT + width + 40, y + 4, one.label))
    parts.append(text(LEFT + width / 2, TOP + PLOT_HEIGHT + 38, x_name, "middle"))
    parts.append(text(LEFT, TOP - 6, y_name, colour=SOFT))
    return picture(TOP + PLOT_HEIGHT + 52, title, parts)
