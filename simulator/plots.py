"""Plots as SVG, by hand: lines over time, bars, and a map of who waited for whom.

Every plot stands alone in a page: no script, no font, no address.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from simulator.places import Place

WIDTH: Final = 720
HEIGHT: Final = 250
LEFT: Final = 64
BOTTOM: Final = 34
TOP: Final = 22
RIGHT: Final = 12
COLOURS: Final = (
    *("#2f6db5", "#d9773a", "#3d9a62", "#a64d9c", "#8a7433", "#c23b4b", "#3aa0a8", "#5a5f6b"),
    *("#87b02f", "#7a55c7"),
)
GREY: Final = "#c5c9d0"
LINES_MAX: Final = 10
"""More regions than this share one grey, but for the highest of them."""

TICKS_MAX: Final = 5
TIME_TICKS_MAX: Final = 6
STEPS: Final[Mapping[str, Sequence[float]]] = {
    "s": (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60),
    "min": (1, 2, 5, 10, 20, 30),
    "h": (1, 2, 4, 6, 12, *(24 * 2**power for power in range(16))),
}
SECONDS_MAX: Final = 360
"""Up to here time is told in seconds, and up to the next in minutes."""
MINUTES_MAX: Final = 10_800
POINTS_MAX: Final = 60
"""Of a line that is drawn as means."""
NUMBER_WIDTH: Final = 14
LETTER: Final = 6.2
"""How wide a letter of the Latin alphabet is; a Chinese character is twice as wide."""
ROW: Final = 16
IN_VAIN: Final = 0.05
"""The share of requests without an answer from which on a line of the map is red."""

Point = float | None


def coarser(line: Sequence[Point], times: int) -> list[Point]:
    """Return the means of so many points each; None where there was none to be had.

    A last part that is shorter is left out: its mean is of too little.
    """
    parts = [line[at : at + times] for at in range(0, len(line) - times + 1, times)]
    known = [[value for value in part if value is not None] for part in parts]
    return [sum(part) / len(part) if part else None for part in known]


def times_coarser(lines: Iterable[Sequence[Point]]) -> int:
    """Return of how many points the means are to be drawn, so that a line can be followed."""
    return math.ceil(max((len(line) for line in lines), default=1) / POINTS_MAX) or 1


def _ticks(values: Sequence[float]) -> list[float]:
    """Return round numbers from 0 to one not below the greatest value, whole ones of whole ones."""
    most = max(values, default=0.0)
    if most <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(most / TICKS_MAX))
    steps = (step * power for step in (1, 2, 5, 10))
    step = next(it for it in steps if it * TICKS_MAX >= most * (1 - 1e-9))
    if all(float(value).is_integer() for value in values):
        step = max(1.0, step)
    return [step * at for at in range(math.ceil(most / step - 1e-9) + 1)]


def _time_ticks(length_s: float) -> list[tuple[float, str]]:
    """Return round times from 0 up to a length, with their words in its unit."""
    if length_s <= 0:
        return []
    unit = "s" if length_s <= SECONDS_MAX else "min" if length_s <= MINUTES_MAX else "h"
    seconds = {"s": 1, "min": 60, "h": 3_600}[unit]
    count = length_s / seconds
    step = next(it for it in STEPS[unit] if it * TIME_TICKS_MAX >= count * (1 - 1e-9))
    ticks = [step * at for at in range(math.floor(count / step + 1e-9) + 1)]
    return [(tick * seconds, f"{tick:g} {unit}") for tick in ticks]


def _number(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1_000:g}k"
    return f"{value:g}"


def _frame(ticks: Sequence[float], unit: str, hours: float) -> list[str]:
    """Draw the axes: one upwards with its ticks, and time from 0 to ``hours``."""
    parts = []
    for tick in ticks:
        y = HEIGHT - BOTTOM - tick / ticks[-1] * (HEIGHT - BOTTOM - TOP)
        parts.append(
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#e4e6ea"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"{_number(round(tick, 3))}</text>"
        )
    for at_s, words in _time_ticks(hours * 3_600):
        x = LEFT + at_s / (hours * 3_600) * (WIDTH - LEFT - RIGHT)
        anchor = "end" if x > WIDTH - RIGHT - LETTER * len(words) / 2 else "middle"
        y = HEIGHT - BOTTOM + 16
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{words}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 8}" fill="#666">{escape(unit)}</text>')
    return parts


def _marks(marks: Sequence[tuple[float, str]], length_s: float) -> list[str]:
    """Draw an upright for each thing that was done to the network, with its number.

    A number that would stand on the one before it is left out.
    """
    parts, written = [], -math.inf
    for number, (at_s, words) in enumerate(marks, 1):
        if at_s <= length_s:
            x = LEFT + at_s / length_s * (WIDTH - LEFT - RIGHT)
            parts.append(
                f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#9aa0aa" '
                f'stroke-dasharray="2 3"><title>{escape(words)}</title></path>'
            )
            if x - written >= NUMBER_WIDTH:
                written = x
                parts.append(f'<text x="{x + 2:.1f}" y="{TOP + 8}" fill="#666">{number}</text>')
    return parts


def _svg(parts: Sequence[str], title: str, height: int = HEIGHT) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="sans-serif" font-size="11" fill="#333"><title>{escape(title)}</title>'
        f"{''.join(parts)}</svg>"
    )


def over_time(
    title: str,
    unit: str,
    lines: Mapping[str, Sequence[Point]],
    bucket_ms: int,
    marks: Sequence[tuple[float, str]] = (),
    *,
    least_top: float = 0.0,
) -> str:
    """Draw one line a region over the simulated time; say so where there was nothing to draw.

    Args:
        title: For who cannot see it.
        unit: What is drawn.
        lines: By region, a point a bucket.
        bucket_ms: How wide a bucket is.
        marks: When something was done to the network, in seconds, and what.
        least_top: How far up the axis goes at least, so that two plots can have the same.
    """
    if not any(value for line in lines.values() for value in line):
        return f'<p class="muted">{escape(unit)}: none</p>'
    count = max((len(line) for line in lines.values()), default=0)
    values = [value for line in lines.values() for value in line if value is not None]
    ticks = _ticks([*values, least_top])
    top = ticks[-1]
    hours = max(1, count - 1) * bucket_ms / 3_600_000
    parts = _frame(ticks, unit, hours) + _marks(marks, hours * 3_600)
    highest = sorted(lines, key=lambda name: -max((v or 0 for v in lines[name]), default=0))
    named = highest[:LINES_MAX]
    shown = (name for name in lines if name in named)
    colours = {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(shown)}
    # The grey ones first, so that they lie under those that have a name.
    for name, line in sorted(lines.items(), key=lambda it: it[0] in colours):
        d, is_down = [], True
        for at, value in enumerate(line):
            if value is None:
                is_down = True
                continue
            x = LEFT + at / max(1, count - 1) * (WIDTH - LEFT - RIGHT)
            y = HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP)
            d.append(f"{'M' if is_down else 'L'}{x:.1f} {y:.1f}")
            is_down = False
        colour = colours.get(name, GREY)
        parts.append(f'<path d="{"".join(d)}" fill="none" stroke="{colour}" stroke-width="1.4"/>')
    others = {"all others": GREY} if len(lines) > len(colours) else {}
    return _with_legend(parts, title, colours | others)


def _with_legend(parts: Sequence[str], title: str, colours: Mapping[str, str]) -> str:
    """Return a plot with what its colours are below it, in as many rows as that takes."""
    told, x, y = [], float(LEFT), HEIGHT + 8
    for name, colour in colours.items():
        wide = 22 + sum(LETTER if letter.isascii() else 2 * LETTER for letter in name)
        if x + wide > WIDTH - RIGHT:
            x, y = float(LEFT), y + ROW
        told.append(
            f'<rect x="{x:.1f}" y="{y - 9}" width="9" height="9" fill="{colour}"/>'
            f'<text x="{x + 13:.1f}" y="{y}">{escape(name)}</text>'
        )
        x += wide
    return _svg([*parts, *told], title, y + 10)


def bars(title: str, unit: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """Draw groups of bars, one group a region, one bar a series; on a logarithmic scale."""
    values = [value for group in groups.values() for value in group.values() if value > 0]
    top = max(values, default=1)
    low = min(1.0, min(values, default=1))
    decades = max(1, math.ceil(math.log10(top / low)))
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    colours = {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(names)}
    parts = []
    for decade in range(decades + 1):
        y = HEIGHT - BOTTOM - decade / decades * (HEIGHT - BOTTOM - TOP)
        parts.append(
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#e4e6ea"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"{_number(low * 10**decade)}</text>"
        )
    parts.append(f'<text x="{LEFT}" y="{TOP - 8}" fill="#666">{escape(unit)}</text>')
    span = (WIDTH - LEFT - RIGHT) / max(1, len(groups))
    wide = span * 0.8 / max(1, len(names))
    for at, (group, series) in enumerate(groups.items()):
        x = LEFT + at * span + span * 0.1
        for number, name in enumerate(names):
            value = series.get(name, 0)
            share = math.log10(max(value, low) / low) / decades if value > 0 else 0
            height = share * (HEIGHT - BOTTOM - TOP)
            parts.append(
                f'<rect x="{x + number * wide:.1f}" y="{HEIGHT - BOTTOM - height:.1f}" '
                f'width="{wide * 0.92:.1f}" height="{height:.1f}" fill="{colours[name]}">'
                f"<title>{escape(group)} {escape(name)} {value:g}</title></rect>"
            )
        if len(groups) <= 12 or at % (len(groups) // 10) == 0:
            parts.append(
                f'<text x="{x + span * 0.4:.1f}" y="{HEIGHT - BOTTOM + 16}" '
                f'text-anchor="middle">{escape(group)}</text>'
            )
    return _with_legend(parts, title, colours)


def waits(places: Sequence[Place], rows: Sequence[Mapping[str, float | str]]) -> str:
    """Draw a map: a line for each pair of regions, as broad as the time one waited for another."""
    if not places:
        return ""
    lefts, tops = [it.longitude for it in places], [it.latitude for it in places]
    wide = max(max(lefts) - min(lefts), 0.5)
    high = max(max(tops) - min(tops), 0.5)
    scale = min((WIDTH - 160) / wide, 380 / high)
    height = round(high * scale) + 80

    def at(place: Place) -> tuple[float, float]:
        x = 80 + (place.longitude - min(lefts)) * scale
        return x, height - 40 - (place.latitude - min(tops)) * scale

    by_code = {place.code: place for place in places}
    most = max((float(row["ms"]) for row in rows), default=1.0) or 1.0
    parts = []
    strongest = sorted(rows, key=lambda row: -float(row["ms"]))[:120]
    for row in reversed(strongest):
        one, other = by_code.get(str(row["from"])), by_code.get(str(row["to"]))
        if one is None or other is None:
            continue
        (x1, y1), (x2, y2) = at(one), at(other)
        share = float(row["ms"]) / most
        bend_x = (x1 + x2) / 2 + (y2 - y1) * 0.12
        bend_y = (y1 + y2) / 2 - (x2 - x1) * 0.12
        asked = max(1.0, float(row["answers"]) + float(row["in_vain"]))
        colour = "#c23b4b" if float(row["in_vain"]) >= IN_VAIN * asked else "#2f6db5"
        mean = float(row["ms"]) / asked
        parts.append(
            f'<path d="M{x1:.1f} {y1:.1f}Q{bend_x:.1f} {bend_y:.1f} {x2:.1f} {y2:.1f}" '
            f'fill="none" stroke="{colour}" stroke-opacity="{0.15 + 0.6 * share:.2f}" '
            f'stroke-width="{0.5 + 7 * share:.1f}"><title>{escape(one.name)} waited for '
            f"{escape(other.name)}: {mean:.0f} ms a request, {row['in_vain']} of {asked:.0f} in "
            "vain</title></path>"
        )
    for place in places:
        x, y = at(place)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#333">'
            f"<title>{escape(place.code)} {escape(place.name)} {escape(place.name_en)}</title>"
            "</circle>"
        )
        if len(places) <= 40:
            # Away from the middle, where most lines are, and with a rim over those that cross it.
            below = y > height / 2
            parts.append(
                f'<text x="{x:.1f}" y="{y + (18 if below else -9):.1f}" text-anchor="middle" '
                f'stroke="#fff" stroke-width="3" paint-order="stroke">{escape(place.name)}</text>'
            )
    return _svg(parts, "who waited for whom", height)
