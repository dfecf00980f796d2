"""Architectures as pictures: a diagram to SVG, and SVG to PNG or PDF."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import resvg_py

from vidnas.core import Diagram, UserError
from vidnas.core.files import replacing
from vidnas.core.text import escaped
from vidnas.report.layout import (
    DETAIL_PX,
    GUTTER,
    HEADING_PX,
    LABEL_PX,
    MARGIN,
    PADDING,
    TITLE_PX,
    Layout,
    lay_out,
)
from vidnas.report.palette import UNUSED, colours, shade
from vidnas.report.routing import PlacedBox, PlacedColumn, Route
from vidnas.report.sizes import SIZE_PX, PlacedSize
from vidnas.report.texts import LINE, text_width

INK, QUIET, _PANEL, _ARROW, _MARK = "#1d2430", "#5b6472", "#f5f6f8", "#475063", "#d9731f"
FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
_FONT_FILES = [str(path) for path in sorted((Path(__file__).parent / "fonts").glob("*.ttf"))]
_LEGEND_ROW_PX, _SWATCH_PX = 24.0, 13.0
_SCALE_PX = 110.0
_SCALE_STEPS = 12
_PNG_ZOOM = 2.0
_SIZES_NOTE = "Sizes: channels x frames x height x width."


def draw_svg(diagram: Diagram) -> str:
    """Draw a diagram as one SVG document that needs no other file."""
    layout = lay_out(diagram)
    svg = ET.Element("svg", xmlns="http://www.w3.org/2000/svg")
    add(svg, "title", text=diagram.title)
    background = add(svg, "rect", fill="#ffffff")
    add_text(svg, diagram.title, MARGIN, MARGIN + HEADING_PX, HEADING_PX, bold=True)
    for column in layout.columns:
        if column.title:
            _add_column(svg, column)
    # Strong edges lie on top.
    for route in sorted(layout.routes, key=lambda route: route.weight):
        _add_arrow(svg, route, weighted=diagram.has_weights)
    colour_of = _colours(diagram)
    for box in layout.boxes:
        _add_box(svg, box, UNUSED if box.box.unused else colour_of[box.box.kind])
    for placed in layout.sizes:
        _add_size(svg, placed)
    bottom = _add_legend(svg, layout, diagram, colour_of)
    size = {"width": f"{layout.width:.0f}", "height": f"{bottom:.0f}"}
    background.attrib |= size
    svg.attrib |= {
        "viewBox": "0 0 {width} {height}".format_map(size),
        **size,
        "font-family": FONT,
        "role": "img",
    }
    return ET.tostring(svg, encoding="unicode")


def svg_to_png(svg: str) -> bytes:
    """Render an SVG document as PNG, two pixels for one, with the fonts of this package alone.

    The picture is then the same on every machine. Characters that these fonts do not hold (they
    hold Latin, Greek and Cyrillic script) are left out; the SVG keeps them.
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


def svg_to_pdf(svg: str) -> bytes:
    """Convert an SVG document to a PDF of the same size, with the fonts of this package alone.

    Raises:
        UserError: the library that does it is not installed.
    """
    try:
        import svg2pdf_py
    except ImportError as error:
        raise UserError(
            "PDF pictures need a library that is not installed; run pip install 'vidnas[pdf]', or "
            "write an .svg or .png."
        ) from error
    fonts = svg2pdf_py.FontDatabase()
    for path in _FONT_FILES:
        fonts.load_font_file(path)
    return bytes(svg2pdf_py.svg_to_pdf(svg, fonts))


_FORMATS: dict[str, Callable[[str], bytes]] = {
    ".svg": str.encode,
    ".png": svg_to_png,
    ".pdf": svg_to_pdf,
}


def write_picture(diagram: Diagram, path: Path) -> None:
    """Draw a diagram into an `.svg`, a `.png` or a `.pdf` file.

    Raises:
        UserError: the file name ends in none of them.
    """
    save_picture(draw_svg(diagram), path)


def save_picture(svg: str, path: Path) -> None:
    """Write an SVG document into an `.svg`, a `.png` or a `.pdf` file.

    Raises:
        UserError: the file name ends in none of them, or a library for it is missing.
    """
    convert = _FORMATS.get(path.suffix.lower())
    if convert is None:
        raise UserError(
            f"{path}: pictures are drawn as .svg or .png, or .pdf; give the file one of these "
            "endings."
        )
    picture = convert(svg)
    with replacing(path) as temporary:
        temporary.write_bytes(picture)


def add(
    parent: ET.Element, tag: str, text: str | None = None, **attributes: str | float
) -> ET.Element:
    """Append an element; lengths are written in tenths of a pixel, `_` in names as `-`."""
    element = ET.SubElement(parent, tag)
    for name, value in attributes.items():
        shown = f"{value:.1f}" if isinstance(value, float) else str(value)
        element.set(name.replace("_", "-"), shown)
    element.text = text if text is None else escaped(text)
    return element


def add_text(
    parent: ET.Element, text: str, x: float, y: float, size: float, *, bold: bool = False,
    colour: str = INK, anchor: str = "start",
) -> None:  # fmt: skip
    """Append a line of text; `x` and `y` are where its baseline begins, ends or has its middle."""
    weight = {"font_weight": 600} if bold else {}
    add(parent, "text", text, x=x, y=y, font_size=size, fill=colour, text_anchor=anchor, **weight)


def _add_column(svg: ET.Element, column: PlacedColumn) -> None:
    add(
        svg, "rect", x=column.x, y=column.y, width=column.width, height=column.height, rx=10,
        fill=_PANEL,
    )  # fmt: skip
    middle = column.x + column.width / 2
    for row, line in enumerate(column.title, start=1):
        y = column.y + PADDING + TITLE_PX * (1 + LINE * (row - 1))
        add_text(svg, line, middle, y, TITLE_PX, bold=True, colour=QUIET, anchor="middle")


def _add_box(svg: ET.Element, placed: PlacedBox, colour: str) -> None:
    upright = placed.box.upright
    width, height = (placed.height, placed.width) if upright else (placed.width, placed.height)
    # An upright box reads from its foot upwards.
    foot, turn = (placed.height, " rotate(-90)") if upright else (0.0, "")
    place = f"translate({placed.x:.1f} {placed.y + foot:.1f}){turn}"
    group = add(svg, "g", transform=place)
    add(group, "rect", width=width, height=height, rx=7, fill="#ffffff")
    ink, dashes = (QUIET, {"stroke_dasharray": "5 3"}) if placed.box.unused else (INK, {})
    add(
        group, "rect", width=width, height=height, rx=7, fill=colour, fill_opacity="0.16",
        stroke=colour, stroke_width=1.3, **dashes,
    )  # fmt: skip
    add(group, "rect", x=4, y=6, width=4, height=height - 12, rx=2, fill=colour)
    if placed.box.marked:
        add(
            group, "rect", x=-4, y=-4, width=width + 8, height=height + 8, rx=10, fill="none",
            stroke=_MARK, stroke_width=2.6,
        )  # fmt: skip
    x, y, anchor = (width / 2, 7.0, "middle") if upright else (14.0, 7.0, "start")
    for lines, size, bold in ((placed.label, LABEL_PX, True), (placed.detail, DETAIL_PX, False)):
        for line in lines:
            y += size * LINE
            add_text(group, line, x, y - 0.28 * size, size, bold=bold, colour=ink, anchor=anchor)


def _add_size(svg: ET.Element, placed: PlacedSize) -> None:
    foot, turn = (placed.height, " rotate(-90)") if placed.upright else (0.0, "")
    group = add(
        svg, "g", transform=f"translate({placed.x:.1f} {placed.y + foot:.1f}){turn}",
        stroke="#ffffff", stroke_width=3, paint_order="stroke", stroke_linejoin="round",
    )  # fmt: skip
    for row, line in enumerate(placed.lines, start=1):
        add_text(group, line, 0.0, SIZE_PX * (LINE * row - 0.28), SIZE_PX, colour=QUIET)


def _add_arrow(svg: ET.Element, route: Route, *, weighted: bool) -> None:
    weight = min(max(route.weight, 0.0), 1.0)
    # Weights are greys that do not add up where arrows cross.
    colour, opacity = (shade(weight), 1.0) if weighted else (_ARROW, 0.2 + 0.7 * weight)
    if route.marked:
        colour, opacity = _MARK, 1.0
    # Whole and relative numbers make arrows of one gutter alike, which keeps pages small.
    rounded = [(round(x), round(y)) for x, y in route.points]
    tip_x, tip_y = rounded[-1]
    if route.shape == "down":
        head = f"M{tip_x - 4} {tip_y - 7}h8l-4 7z"
        end = (tip_x, tip_y - 6)
    elif route.shape == "loop":
        head = f"M{tip_x + 7} {tip_y - 4}v8l-7 -4z"
        end = (tip_x + 6, tip_y)
    else:
        head = f"M{tip_x - 7} {tip_y - 4}v8l7 -4z"
        end = (tip_x - 6, tip_y)
    path = f"M{rounded[0][0]} {rounded[0][1]}"
    for (x0, y0), (x1, y1) in pairwise([*rounded[:-1], end]):
        dx, dy = x1 - x0, y1 - y0
        bend = round(dx * 0.55) if route.shape == "across" else 0
        side = round(GUTTER * 0.6) if route.shape == "loop" else 0
        curve = f"c{bend + side} 0 {dx - bend + side} {dy} {dx} {dy}"
        path += f"h{dx}" if dy == 0 else curve
    group = add(svg, "g", opacity=f"{opacity:.2f}")
    width = f"{0.9 + 1.1 * weight:.2f}"
    add(group, "path", d=path, fill="none", stroke=colour, stroke_width=width)
    add(group, "path", d=head, fill=colour)


def _colours(diagram: Diagram) -> dict[str, str]:
    """Return colours by kind; kinds of which no box is used come last, in grey."""
    used = colours(box.kind for box in diagram.boxes if not box.unused)
    unused = sorted({box.kind for box in diagram.boxes if box.unused} - set(used))
    return used | dict.fromkeys(unused, UNUSED)


def _add_legend(
    svg: ET.Element, layout: Layout, diagram: Diagram, colour_of: Mapping[str, str]
) -> float:
    """Add the legend in rows below the columns, and return the height of the whole picture."""
    x, y = MARGIN, layout.height
    for kind, colour in colour_of.items():
        step = _SWATCH_PX + 7 + text_width(kind, DETAIL_PX) + 18
        if x > MARGIN and x + step > layout.width - MARGIN:
            x, y = MARGIN, y + _LEGEND_ROW_PX
        add(svg, "rect", x=x, y=y, width=_SWATCH_PX, height=_SWATCH_PX, rx=3, fill=colour)
        add_text(svg, kind, x + _SWATCH_PX + 7, y + 10.5, DETAIL_PX, colour=QUIET)
        x += step
    if diagram.has_weights:
        y += _LEGEND_ROW_PX
        _add_weight_scale(svg, y)
    if layout.sizes:
        y += _LEGEND_ROW_PX
        add_text(svg, _SIZES_NOTE, MARGIN, y + 10.5, DETAIL_PX, colour=QUIET)
    if diagram.note:
        y += _LEGEND_ROW_PX
        add_text(svg, diagram.note, MARGIN, y + 10.5, DETAIL_PX, colour=QUIET)
    return y + _SWATCH_PX + MARGIN


def _add_weight_scale(svg: ET.Element, y: float) -> None:
    """Add the greys of edge weights from 0 to 1.

    They are steps and no gradient, which has a name: of several drawings in a page all take that of
    the first, and show nothing where that is hidden.
    """
    text = "edge weight 0"
    x = MARGIN + text_width(text, DETAIL_PX) + 7
    add_text(svg, text, MARGIN, y + 10.5, DETAIL_PX, colour=QUIET)
    step = _SCALE_PX / _SCALE_STEPS
    for at in range(_SCALE_STEPS):
        grey = shade(at / (_SCALE_STEPS - 1))
        add(svg, "rect", x=x + at * step, y=y + 4, width=step, height=5, fill=grey)
    add_text(svg, "1", x + _SCALE_PX + 7, y + 10.5, DETAIL_PX, colour=QUIET)
