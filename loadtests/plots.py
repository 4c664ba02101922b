"""Plots as SVG text, for the report and the README; no library draws them."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

WIDTH: Final = 760
HEIGHT: Final = 300
LEFT: Final = 62
RIGHT: Final = 150
TOP: Final = 34
BOTTOM: Final = 46
COLOURS: Final = ("#2f6db5", "#c23b4b", "#3a8f5c", "#d08a1d", "#7a4fa3", "#5b6770")
FLOOR: Final = "floor"
"""Series whose name begins so are drawn dashed and grey: what the machine itself asks for."""


def curves(
    title: str, unit: str, labels: Sequence[str], series: Mapping[str, Sequence[float | None]]
) -> str:
    """Draw one line a series over labelled points, on a logarithmic scale.

    Args:
        title: Above the plot.
        unit: Of all values.
        labels: Of the points, from left to right.
        series: Values, as many as labels; None where there is none.
    """
    values = [it for line in series.values() for it in line if it is not None and it > 0]
    low = math.floor(math.log10(min(values, default=1.0)))
    high = max(low + 1, math.ceil(math.log10(max(values, default=10.0))))
    parts = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="16" font-size="13" font-weight="bold">{escape(title)}</text>',
        f'<text x="{LEFT}" y="{TOP - 5}" fill="#666">{escape(unit)}, logarithmic</text>',
    ]

    def across(at: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at + 0.5) / max(1, len(labels))

    def up(value: float) -> float:
        share = (math.log10(value) - low) / (high - low)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)

    for decade in range(low, high + 1):
        y = up(10.0**decade)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e6ea"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**decade:g}</text>'
        )
    for at, label in enumerate(labels):
        parts.append(
            f'<text x="{across(at):.1f}" y="{HEIGHT - BOTTOM + 18}" '
            f'text-anchor="middle">{escape(label)}</text>'
        )
    for number, (name, line) in enumerate(series.items()):
        is_floor = name.startswith(FLOOR)
        colour = "#9aa1ab" if is_floor else COLOURS[number % len(COLOURS)]
        dash = ' stroke-dasharray="5 4"' if is_floor else ""
        path, pen = [], "M"
        for at, value in enumerate(line):
            if value is None or value <= 0:
                pen = "M"
                continue
            path.append(f"{pen}{across(at):.1f} {up(value):.1f}")
            pen = "L"
            parts.append(
                f'<circle cx="{across(at):.1f}" cy="{up(value):.1f}" r="3" fill="{colour}">'
                f"<title>{escape(name)}, {escape(labels[at])}: {value:.4g} {escape(unit)}</title>"
                "</circle>"
            )
        parts.append(f'<path d="{"".join(path)}" fill="none" stroke="{colour}"{dash}/>')
        y = TOP + 8 + number * 18
        parts.append(
            f'<line x1="{WIDTH - RIGHT + 8}" x2="{WIDTH - RIGHT + 28}" y1="{y}" y2="{y}" '
            f'stroke="{colour}" stroke-width="2"{dash}/>'
            f'<text x="{WIDTH - RIGHT + 34}" y="{y + 4}">{escape(name)}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="11" fill="#333"><title>{escape(title)}</title>'
        f"{''.join(parts)}</svg>"
    )
