"""A contact sheet: the frames of clips in rows, with what is known of each, as a picture."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from vidnas.report.drawing import FONT, INK, QUIET, add, add_text
from vidnas.report.layout import DETAIL_PX, HEADING_PX, LABEL_PX, MARGIN
from vidnas.report.texts import LINE, text_width

_GAP_PX = 4.0
_ROW_GAP_PX = 10.0
_MOST_TEXT_PX = 260.0


@dataclass(frozen=True)
class SheetRow:
    """A clip of the sheet."""

    label: str
    details: tuple[str, ...]
    """Lines below the label."""
    frames: NDArray[np.uint8]
    """`(T, H, W, 3)`, the same for all rows."""


def draw_sheet(title: str, note: str, rows: Sequence[SheetRow]) -> str:
    """Draw a contact sheet as one SVG document that holds its pictures."""
    count, height, width = rows[0].frames.shape[:3]
    texts = [(row.label, LABEL_PX, True) for row in rows]
    texts += [(line, DETAIL_PX, False) for row in rows for line in row.details]
    widths = (text_width(text, size, bold=bold) for text, size, bold in texts)
    left = MARGIN + min(max(widths), _MOST_TEXT_PX) + 2 * _GAP_PX
    right = left + count * (width + _GAP_PX) + MARGIN
    svg = ET.Element("svg", xmlns="http://www.w3.org/2000/svg")
    background = add(svg, "rect", fill="#ffffff", width=right)
    add_text(svg, title, MARGIN, MARGIN + HEADING_PX, HEADING_PX, bold=True)
    add_text(svg, note, MARGIN, MARGIN + 2.4 * HEADING_PX, DETAIL_PX, colour=QUIET)
    y = MARGIN + 3.4 * HEADING_PX
    lines = max(len(row.details) for row in rows)
    step = max(float(height), LABEL_PX + LINE * DETAIL_PX * lines) + _ROW_GAP_PX
    for row in rows:
        _add_row(svg, row, left, y)
        y += step
    background.set("height", f"{y + MARGIN:.0f}")
    size = {"width": f"{right:.0f}", "height": f"{y + MARGIN:.0f}"}
    svg.attrib |= {"viewBox": "0 0 {width} {height}".format_map(size), **size, "font-family": FONT}
    return ET.tostring(svg, encoding="unicode")


def _add_row(svg: ET.Element, row: SheetRow, left: float, y: float) -> None:
    # Long names end where the frames begin.
    column = ET.SubElement(svg, "svg", width=f"{left - _GAP_PX:.0f}", height="100%")
    line_y = y + LABEL_PX
    add_text(column, row.label, MARGIN, line_y, LABEL_PX, bold=True, colour=INK)
    for line in row.details:
        line_y += DETAIL_PX * LINE
        add_text(column, line, MARGIN, line_y, DETAIL_PX, colour=QUIET)
    for frame in row.frames:
        height, width = frame.shape[:2]
        image = add(svg, "image", x=left, y=y, width=float(width), height=float(height))
        image.set("href", f"data:image/png;base64,{base64.b64encode(_png(frame)).decode()}")
        left += width + _GAP_PX


def _png(image: NDArray[np.uint8]) -> bytes:
    encoder = av.CodecContext.create("png", "w")
    encoder.height, encoder.width = image.shape[:2]
    encoder.pix_fmt, encoder.time_base = "rgb24", Fraction(1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return b"".join(bytes(part) for part in [*encoder.encode(frame), *encoder.encode(None)])
