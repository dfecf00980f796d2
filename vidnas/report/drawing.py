"""Architectures as pictures: a diagram to SVG, and SVG to PNG."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from pathlib import Path

import resvg_py

from vidnas.core import Diagram, UserError
from vidnas.core.files import replacing
from vidnas.report.layout import (
    DETAIL_PX,
    GUTTER,
    HEADING_PX,
    LABEL_PX,
    LINE,
    MARGIN,
    PADDING,
    TITLE_PX,
    Layout,
    lay_out,
    text_width,
)
from vidnas.report.palette import GREYED, colours, shade
from vidnas.report.routing import PlacedBox, PlacedColumn, Route

_INK, _QUIET, _PANEL, _ARROW = "#1d2430", "#5b6472", "#f5f6f8", "#475063"
_FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
_FONT_FILES = [str(path) for path in sorted((Path(__file__).parent / "fonts").glob("*.ttf"))]
_LEGEND_ROW_PX, _SWATCH_PX = 24.0, 13.0
_SCALE_PX = 110.0
_PNG_ZOOM = 2.0


def draw_svg(diagram: Diagram) -> str:
    """Draw a diagram as one SVG document that needs no other file."""
    layout = lay_out(diagram)
    colour_of = colours(box.kind for box in diagram.boxes)
    # A weight of zero is not learned: the arrow leads nowhere.
    learned = any(0 < edge.weight < 1 for edge in diagram.edges)
    legend, height = _legend(colour_of, layout, diagram.note, learned)
    routes = sorted(layout.routes, key=lambda route: route.weight)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {layout.width:.0f} {height:.0f}" '
        f'width="{layout.width:.0f}" height="{height:.0f}" font-family="{_FONT}" role="img">',
        f"<title>{escape(diagram.title)}</title>",
        f'<rect width="{layout.width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        _text(diagram.title, MARGIN, MARGIN + HEADING_PX, HEADING_PX, bold=True),
        *(_column(column) for column in layout.columns if column.title),
        *(_arrow(route, learned) for route in routes),
        *(_box(box, colour_of[box.box.kind]) for box in layout.boxes),
        *legend,
        "</svg>",
    ]
    return "\n".join(parts)


def svg_to_png(svg: str) -> bytes:
    """Render an SVG document as PNG, two pixels for one, with the fonts of this package alone.

    The picture is then the same on every machine. Signs outside Latin, Greek and Cyrillic script
    that these fonts do not hold are left out; the SVG keeps them.
    """
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            zoom=_PNG_ZOOM,
            background="#ffffff",
            skip_system_fonts=True,
            font_files=_FONT_FILES,
        )
    )


def write_picture(diagram: Diagram, path: Path) -> None:
    """Draw a diagram into an `.svg` or a `.png` file.

    Raises:
        UserError: the file name ends in neither.
    """
    svg = draw_svg(diagram)
    if path.suffix.lower() == ".svg":
        picture = svg.encode()
    elif path.suffix.lower() == ".png":
        picture = svg_to_png(svg)
    else:
        raise UserError(
            f"{path}: pictures are drawn as .svg or .png; give the file one of these endings."
        )
    with replacing(path) as temporary:
        temporary.write_bytes(picture)


def _text(
    text: str, x: float, y: float, size: float, *, bold: bool = False, colour: str = _INK,
    anchor: str = "start",
) -> str:  # fmt: skip
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
        f'text-anchor="{anchor}"{weight}>{escape(text)}</text>'
    )


def _column(column: PlacedColumn) -> str:
    panel = (
        f'<rect x="{column.x:.1f}" y="{column.y:.1f}" width="{column.width:.1f}" '
        f'height="{column.height:.1f}" rx="10" fill="{_PANEL}"/>'
    )
    middle = column.x + column.width / 2
    lines = [
        _text(line, middle, column.y + PADDING + TITLE_PX * (1 + LINE * row), TITLE_PX,
              bold=True, colour=_QUIET, anchor="middle")
        for row, line in enumerate(column.title)
    ]  # fmt: skip
    return "".join([panel, *lines])


def _box(placed: PlacedBox, colour: str) -> str:
    upright = placed.box.upright
    width, height = (placed.height, placed.width) if upright else (placed.width, placed.height)
    frame = f'width="{width:.1f}" height="{height:.1f}" rx="7"'
    greyed = placed.box.kind in GREYED
    ink, dashes = (_QUIET, ' stroke-dasharray="5 3"') if greyed else (_INK, "")
    parts = [
        f'<rect {frame} fill="#ffffff"/>',
        f'<rect {frame} fill="{colour}" fill-opacity="0.16" stroke="{colour}" stroke-width="1.3"'
        f"{dashes}/>",
        f'<rect x="4" y="6" width="4" height="{height - 12:.1f}" rx="2" fill="{colour}"/>',
    ]
    x, y, anchor = (width / 2, 7.0, "middle") if upright else (14.0, 7.0, "start")
    for lines, size, bold in ((placed.label, LABEL_PX, True), (placed.detail, DETAIL_PX, False)):
        for line in lines:
            y += size * LINE
            parts.append(
                _text(line, x, y - 0.28 * size, size, bold=bold, colour=ink, anchor=anchor)
            )
    # An upright box reads from its foot upwards.
    foot, turn = (placed.height, " rotate(-90)") if upright else (0.0, "")
    place = f"translate({placed.x:.1f} {placed.y + foot:.1f}){turn}"
    return f'<g transform="{place}">{"".join(parts)}</g>'


def _arrow(route: Route, learned: bool) -> str:
    weight = min(max(route.weight, 0.0), 1.0)
    # Learned weights are greys that do not add up where arrows cross.
    colour, opacity = (shade(weight), 1.0) if learned else (_ARROW, 0.2 + 0.7 * weight)
    width = 0.9 + 1.1 * weight
    tip_x, tip_y = route.points[-1]
    if route.shape == "down":
        head = f"M{tip_x - 4:.1f} {tip_y - 7:.1f}h8l-4 7z"
        end = (tip_x, tip_y - 6)
    elif route.shape == "loop":
        head = f"M{tip_x + 7:.1f} {tip_y - 4:.1f}v8l-7 -4z"
        end = (tip_x + 6, tip_y)
    else:
        head = f"M{tip_x - 7:.1f} {tip_y - 4:.1f}v8l7 -4z"
        end = (tip_x - 6, tip_y)
    points = (*route.points[:-1], end)
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        bend = (x1 - x0) * 0.55 if route.shape == "across" else 0.0
        side = GUTTER * 0.6 if route.shape == "loop" else 0.0
        path += (
            f"C{x0 + bend + side:.1f} {y0:.1f} {x1 - bend + side:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
        )
    return (
        f'<g opacity="{opacity:.2f}"><path d="{path}" fill="none" stroke="{colour}" '
        f'stroke-width="{width:.2f}"/><path d="{head}" fill="{colour}"/></g>'
    )


def _legend(
    colour_of: dict[str, str], layout: Layout, note: str, learned: bool
) -> tuple[list[str], float]:
    """The legend in rows below the columns, and the height of the whole picture."""
    x, y = MARGIN, layout.height
    parts = []
    for kind, colour in colour_of.items():
        step = _SWATCH_PX + 7 + text_width(kind, DETAIL_PX) + 18
        if x > MARGIN and x + step > layout.width - MARGIN:
            x, y = MARGIN, y + _LEGEND_ROW_PX
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{_SWATCH_PX}" height="{_SWATCH_PX}" rx="3" '
            f'fill="{colour}"/>'
            + _text(kind, x + _SWATCH_PX + 7, y + 10.5, DETAIL_PX, colour=_QUIET)
        )
        x += step
    if learned:
        y += _LEGEND_ROW_PX
        parts += _weight_scale(y)
    if note:
        y += _LEGEND_ROW_PX
        parts.append(_text(note, MARGIN, y + 10.5, DETAIL_PX, colour=_QUIET))
    return parts, y + _SWATCH_PX + MARGIN


def _weight_scale(y: float) -> list[str]:
    """The greys of learned weights from 0 to 1."""
    text = "edge weight 0"
    x = MARGIN + text_width(text, DETAIL_PX) + 7
    stops = f'<stop stop-color="{shade(0)}"/><stop offset="1" stop-color="{shade(1)}"/>'
    return [
        _text(text, MARGIN, y + 10.5, DETAIL_PX, colour=_QUIET),
        f'<linearGradient id="weights">{stops}</linearGradient>',
        f'<rect x="{x:.1f}" y="{y + 4:.1f}" width="{_SCALE_PX}" height="5" rx="2.5" '
        'fill="url(#weights)"/>',
        _text("1", x + _SCALE_PX + 7, y + 10.5, DETAIL_PX, colour=_QUIET),
    ]
