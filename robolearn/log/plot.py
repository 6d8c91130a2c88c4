"""Line charts as inline SVG: they scale, take the colours of the page, and need no library."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

LEFT, RIGHT, TOP, BOTTOM = 48, 14, 10, 40
"""Margins in viewBox units."""
MAX_POINTS = 240


@dataclass(kw_only=True, slots=True)
class Series:
    """One curve of a chart."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    style: str
    """CSS class that colours it."""
    dots: bool = False
    """Mark every point."""
    spans: Sequence[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Interval of each point, drawn as a bar; empty for none."""


@dataclass(kw_only=True, slots=True)
class Level:
    """A horizontal line across the chart, with its interval."""

    name: str
    value: float
    low: float
    high: float
    style: str


@dataclass(kw_only=True, slots=True, frozen=True)
class _Axes:
    x: tuple[float, float]
    y: tuple[float, float]
    size: tuple[int, int]

    def at_x(self, x: float) -> float:
        low, high = self.x
        return LEFT + (x - low) / (high - low) * (self.size[0] - LEFT - RIGHT)

    def at_y(self, y: float) -> float:
        low, high = self.y
        inside = min(max(y, low), high)
        return self.size[1] - BOTTOM - (inside - low) / (high - low) * (self.size[1] - TOP - BOTTOM)


def line_chart(
    series: Sequence[Series],
    *,
    label: str,
    x_label: str,
    levels: Sequence[Level] = (),
    y_range: tuple[float, float] | None = None,
    percent: bool = False,
    size: tuple[int, int] = (520, 280),
) -> str:
    """Return an SVG of all `series` over a common axis.

    Args:
        series: Curves; points that are not finite are left out, long curves are averaged down.
        label: What the chart shows, for screen readers.
        x_label: Name and unit of the horizontal axis.
        levels: Horizontal lines with their bands.
        y_range: Limits of the vertical axis; by default those of the data.
        percent: Whether the vertical axis counts in percent.
        size: Width and height of the viewBox.
    """
    curves = [thinned(curve) for curve in series]
    xs = [x for curve in curves for x in curve.xs]
    ys = [y for curve in curves for y in curve.ys]
    y_ticks = ticks(*(y_range or (min(ys, default=0.0), max(ys, default=1.0))))
    x_high = max(xs, default=1.0)
    x_low = min([0.0, *xs])
    axes = _Axes(
        x=(x_low, x_high if x_high > x_low else x_low + 1.0), y=y_range or (y_ticks[0], y_ticks[-1]), size=size
    )
    parts = [f'<svg viewBox="0 0 {size[0]} {size[1]}" role="img" aria-label="{escape(label)}">']
    parts += _grid(axes, y_ticks, percent)
    parts.append(
        f'<text class="tick" x="{size[0] - RIGHT}" y="{size[1] - 6}" text-anchor="end">{escape(x_label)}</text>'
    )
    for level in levels:
        parts += _level(axes, level)
    for curve in curves:
        parts += _curve(axes, curve, percent)
    return "".join(parts) + "</svg>"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers, about `count` of them, that enclose the interval.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(3.0, 47.0)
    [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    """
    if not high > low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


def short(value: float) -> str:
    """Return a number in few characters.

    >>> [short(v) for v in (0.0, 0.25, 12.0, 1500.0, 20000.0, 0.00012)]
    ['0', '0.25', '12', '1.5k', '20k', '1.2e-04']
    """
    if value == 0:
        return "0"
    if abs(value) < 0.001:
        return f"{value:.1e}"
    if abs(value) >= 1000:
        return f"{value / 1000:g}k" if abs(value) < 1e6 else f"{value / 1e6:g}M"
    return f"{value:.4g}"


def thinned(curve: Series) -> Series:
    """Return the curve without points that are not finite, and with at most `MAX_POINTS`, means of their bins."""
    keep = [i for i, (x, y) in enumerate(zip(curve.xs, curve.ys, strict=True)) if math.isfinite(x) and math.isfinite(y)]
    xs, ys = [curve.xs[i] for i in keep], [curve.ys[i] for i in keep]
    spans = [curve.spans[i] for i in keep] if curve.spans else []
    if len(xs) > MAX_POINTS:
        edges = [round(i * len(xs) / MAX_POINTS) for i in range(MAX_POINTS + 1)]
        bins = [slice(a, b) for a, b in itertools.pairwise(edges)]
        xs = [sum(xs[b]) / len(xs[b]) for b in bins]
        ys = [sum(ys[b]) / len(ys[b]) for b in bins]
        spans = []
    return Series(name=curve.name, xs=xs, ys=ys, style=curve.style, dots=curve.dots, spans=spans)


def _grid(axes: _Axes, y_ticks: Sequence[float], percent: bool) -> list[str]:
    width, height = axes.size
    parts: list[str] = []
    for y in y_ticks:
        at = axes.at_y(y)
        text = f"{100 * y:.0f}%" if percent else short(y)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{text}</text>')
    for x in ticks(*axes.x):
        if axes.x[0] <= x <= axes.x[1]:
            at = axes.at_x(x)
            anchor = "end" if at > width - RIGHT - 10 else "middle"
            parts.append(
                f'<text class="tick" x="{at:.1f}" y="{height - BOTTOM + 16}" text-anchor="{anchor}">{short(x)}</text>'
            )
    return parts


def _level(axes: _Axes, level: Level) -> list[str]:
    right = axes.size[0] - RIGHT
    top, middle, bottom = (axes.at_y(y) for y in (level.high, level.value, level.low))
    return [
        f'<rect class="band {level.style}" x="{LEFT}" y="{top:.1f}" width="{right - LEFT}" height="{bottom - top:.1f}"/>',
        f'<line class="level {level.style}" x1="{LEFT}" x2="{right}" y1="{middle:.1f}" y2="{middle:.1f}"/>',
    ]


def _curve(axes: _Axes, curve: Series, percent: bool) -> list[str]:
    points = [(axes.at_x(x), axes.at_y(y)) for x, y in zip(curve.xs, curve.ys, strict=True)]
    parts: list[str] = []
    for (x, _), (low, high) in zip(points, curve.spans, strict=False):
        parts.append(
            f'<line class="span {curve.style}" x1="{x:.1f}" x2="{x:.1f}" y1="{axes.at_y(low):.1f}" y2="{axes.at_y(high):.1f}"/>'
        )
    if len(points) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="curve {curve.style}" points="{path}"/>')
    if curve.dots or len(points) == 1:
        for (x, y), value in zip(points, curve.ys, strict=True):
            text = f"{curve.name}: {100 * value:.0f} %" if percent else f"{curve.name}: {short(value)}"
            parts.append(
                f'<circle class="dot {curve.style}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{escape(text)}</title></circle>'
            )
    return parts
