"""The reliability diagram: what was forecast against what came, a panel per stream. Plain SVG, no library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

SIDE, GAP, LEFT, TOP, BOTTOM = 300, 70, 70, 50, 60
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
Z95 = 1.959964
STYLE = """<style>
text { font-family: sans-serif; font-size: 13px; fill: #222; }
.title { font-size: 15px; font-weight: bold; }
.grid { stroke: #ddd; } .frame { fill: none; stroke: #555; }
.fair { stroke: #888; stroke-dasharray: 5 4; }
.bar { stroke: #1f6f8b; stroke-width: 1.5; } .point { fill: #1f6f8b; fill-opacity: 0.85; }
.share { fill: #1f6f8b; fill-opacity: 0.15; }
</style>"""


def diagram(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """The SVG; a curve is a list of ``{"n", "forecast", "came"}``, one for each bin that was used."""
    width = LEFT + len(curves) * (SIDE + GAP)
    height = TOP + SIDE + BOTTOM
    panels = [_panel(name, curve, LEFT + n * (SIDE + GAP)) for n, (name, curve) in enumerate(curves.items())]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img"'
    label = ' aria-label="Reliability: share that succeeded against the probability forecast">'
    background = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head + label, STYLE, background, *panels, "</svg>"]) + "\n"


def _panel(name: str, curve: Sequence[Mapping[str, float]], left: int) -> str:
    def x(p: float) -> float:
        return left + p * SIDE

    def y(p: float) -> float:
        return TOP + (1.0 - p) * SIDE

    parts = [f'<text class="title" x="{left}" y="{TOP - 16}">{escape(name)}</text>']
    for tick in TICKS:
        parts.append(_line("grid", x(tick), y(0), x(tick), y(1)))
        parts.append(_line("grid", x(0), y(tick), x(1), y(tick)))
        parts.append(f'<text x="{x(tick):.1f}" y="{y(0) + 18:.1f}" text-anchor="middle">{tick}</text>')
        parts.append(f'<text x="{x(0) - 8:.1f}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
    parts.append(_line("fair", x(0), y(0), x(1), y(1)))
    total = sum(point["n"] for point in curve) or 1
    for point in curve:
        n, at, came = point["n"], x(point["forecast"]), point["came"]
        share, left_of = SIDE * n / total / 2.0, max(at - SIDE / 40, left)
        size = f'width="{SIDE / 20:.1f}" height="{share:.1f}"'
        parts.append(f'<rect class="share" x="{left_of:.1f}" y="{y(0) - share:.1f}" {size}/>')
        low, high = _wilson(came, n)
        parts.append(_line("bar", at, y(low), at, y(high)))
        parts.append(f'<circle class="point" cx="{at:.1f}" cy="{y(came):.1f}" r="4"/>')
    parts.append(f'<rect class="frame" x="{left}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>')
    across, down = left + SIDE / 2, TOP + SIDE / 2
    parts.append(f'<text x="{across}" y="{y(0) + 40:.1f}" text-anchor="middle">probability of success forecast</text>')
    place = f'x="{left - 46}" y="{down}" text-anchor="middle" transform="rotate(-90 {left - 46} {down})"'
    parts.append(f"<text {place}>share that succeeded</text>")
    return "\n".join(parts)


def _line(style: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _wilson(rate: float, n: float) -> tuple[float, float]:
    """95% interval of a rate (Wilson, JASA 22, 1927)."""
    spread = Z95 * Z95 / n
    middle = (rate + spread / 2.0) / (1.0 + spread)
    half = Z95 * math.sqrt(rate * (1.0 - rate) / n + spread / (4.0 * n)) / (1.0 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)
