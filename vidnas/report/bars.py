"""Bars by group: how often each of some things occurs, as a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from vidnas.report.drawing import FONT, QUIET, add, add_text
from vidnas.report.layout import DETAIL_PX, HEADING_PX, MARGIN, TITLE_PX
from vidnas.report.texts import shortened, text_width

_BAR_PX, _ROW_PX, _LONGEST_PX = 13.0, 19.0, 420.0
_MOST_TEXT_PX = 300.0
_COLOUR = "#2f6fb0"


def draw_bars(title: str, groups: Mapping[str, Mapping[str, int]]) -> str:
    """Draw groups of bars below each other as one SVG document; each group has its own scale."""
    names = [name for bars in groups.values() for name in bars]
    widest = max((text_width(name, DETAIL_PX) for name in names), default=0.0)
    left = MARGIN + min(widest, _MOST_TEXT_PX) + 8
    right = left + _LONGEST_PX + 70 + MARGIN
    svg = ET.Element("svg", xmlns="http://www.w3.org/2000/svg")
    background = add(svg, "rect", fill="#ffffff", width=right)
    add_text(svg, title, MARGIN, MARGIN + HEADING_PX, HEADING_PX, bold=True)
    y = MARGIN + 1.6 * HEADING_PX
    for group, bars in groups.items():
        y += 2 * TITLE_PX
        add_text(svg, group, MARGIN, y, TITLE_PX, bold=True, colour=QUIET)
        y += 0.8 * TITLE_PX
        most = max(bars.values(), default=0) or 1
        for name, count in bars.items():
            baseline = y + 0.8 * _BAR_PX
            shown = shortened(name, DETAIL_PX, _MOST_TEXT_PX)
            add_text(svg, shown, left - 8, baseline, DETAIL_PX, anchor="end")
            length = _LONGEST_PX * count / most
            add(svg, "rect", x=left, y=y, width=length, height=_BAR_PX, rx=3, fill=_COLOUR)
            add_text(svg, f"{count:,}", left + length + 8, baseline, DETAIL_PX, colour=QUIET)
            y += _ROW_PX
    size = {"width": f"{right:.0f}", "height": f"{y + MARGIN:.0f}"}
    background.set("height", size["height"])
    svg.attrib |= {"viewBox": "0 0 {width} {height}".format_map(size), **size, "font-family": FONT}
    return ET.tostring(svg, encoding="unicode")
