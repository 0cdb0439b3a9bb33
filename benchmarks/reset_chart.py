"""A bar chart as SVG, written by hand: no library is worth its installation for ten bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LABELS, _ROW, _TOP, _END = 860, 330, 26, 62, 90
_OURS, _THEIRS, _INK, _LINE = "#2f7d4f", "#8a8f98", "#24292f", "#d5d9de"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One way and its milliseconds."""

    name: str
    value: float
    ours: bool


def chart(title: str, bars: Sequence[Bar]) -> str:
    """Return the picture: milliseconds on a logarithmic scale, ours in green, what a user would do in grey."""
    values = [math.log10(bar.value) for bar in bars]
    least, most = math.floor(min(values)), math.ceil(max(values))
    span = _WIDTH - _LABELS - _END
    height = _TOP + _ROW * len(bars) + 30

    def across(value: float) -> float:
        return _LABELS + span * (math.log10(value) - least) / (most - least)

    legend = f'<tspan fill="{_OURS}">dbtasks</tspan>, <tspan fill="{_THEIRS}">without it</tspan>'
    font = f'font-family="sans-serif" font-size="12" fill="{_INK}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {font}>',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="12" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="12" y="40">milliseconds, logarithmic; {legend}</text>',
    ]
    for power in range(least, most + 1):
        x = across(10**power)
        parts.append(f'<path d="M{x:.1f} {_TOP - 8}V{height - 24}" stroke="{_LINE}"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{10**power:,}</text>')
    for number, bar in enumerate(bars):
        y = _TOP + _ROW * number
        parts.append(f'<text x="{_LABELS - 8}" y="{y + 13}" text-anchor="end">{escape(bar.name)}</text>')
        width, fill = across(bar.value) - _LABELS, _OURS if bar.ours else _THEIRS
        parts.append(f'<rect x="{_LABELS}" y="{y}" width="{width:.1f}" height="18" fill="{fill}"/>')
        said = f"{bar.value:,.0f}" if bar.value >= 100 else f"{bar.value:.1f}"
        parts.append(f'<text x="{across(bar.value) + 5:.1f}" y="{y + 13}">{said}</text>')
    return "\n".join((*parts, "</svg>", ""))
