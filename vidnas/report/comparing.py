"""Two architectures beside each other, with what one has and the other has not."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from vidnas.core import Box, Diagram, Edge
from vidnas.report.drawing import draw_svg

_NAMESPACE = "http://www.w3.org/2000/svg"
_NOTE = "Framed and in orange: what the other one has not, or has otherwise."


def draw_comparison(one: Diagram, other: Diagram) -> str:
    """Draw two diagrams below each other as one SVG document, their differences marked."""
    ET.register_namespace("", _NAMESPACE)
    parts = [ET.fromstring(draw_svg(diagram)) for diagram in marked(one, other)]
    width = max(float(part.get("width", "0")) for part in parts)
    whole = ET.Element(f"{{{_NAMESPACE}}}svg", role="img")
    background = ET.SubElement(whole, f"{{{_NAMESPACE}}}rect", fill="#ffffff")
    y = 0.0
    for part in parts:
        part.set("y", f"{y:.0f}")
        y += float(part.get("height", "0"))
        whole.append(part)
    size = {"width": f"{width:.0f}", "height": f"{y:.0f}"}
    background.attrib |= size
    whole.attrib |= {"viewBox": "0 0 {width} {height}".format_map(size), **size}
    return ET.tostring(whole, encoding="unicode")


def marked(one: Diagram, other: Diagram) -> tuple[Diagram, Diagram]:
    """Return both diagrams, the boxes and edges marked that the other one has not.

    Boxes are matched in their order by what they say, column by column where both have as many, so
    that one that is put in or left out does not make those behind it differ. An edge differs where
    it joins two boxes that both have, and only one joins them.
    """
    partner = dict(_partners(one, other))
    back = {theirs: mine for mine, theirs in partner.items()}
    return _marked(one, other, partner), _marked(other, one, back)


def _partners(one: Diagram, other: Diagram) -> Iterator[tuple[str, str]]:
    """Yield the names of boxes that say the same, of the one diagram and of the other."""
    columns = range(len(one.columns))
    alike = len(one.columns) == len(other.columns)
    for column in columns if alike else [None]:
        mine, theirs = (
            [box for box in diagram.boxes if column in (None, box.column)]
            for diagram in (one, other)
        )
        said = [[_said(box) for box in boxes] for boxes in (mine, theirs)]
        matcher = SequenceMatcher(None, said[0], said[1], autojunk=False)
        for block in matcher.get_matching_blocks():
            for step in range(block.size):
                yield mine[block.a + step].name, theirs[block.b + step].name


def _said(box: Box) -> tuple[str, str, str, bool]:
    return box.kind, box.label, box.detail, box.unused


def _marked(diagram: Diagram, other: Diagram, partner: Mapping[str, str]) -> Diagram:
    known = {(edge.source, edge.target) for edge in other.edges}

    def differs(edge: Edge) -> bool:
        ends = partner.get(edge.source), partner.get(edge.target)
        return None not in ends and ends not in known

    boxes = tuple(
        box.model_copy(update={"marked": box.name not in partner}) for box in diagram.boxes
    )
    edges = tuple(edge.model_copy(update={"marked": differs(edge)}) for edge in diagram.edges)
    note = " ".join(text for text in (diagram.note, _NOTE) if text)
    return diagram.model_copy(update={"boxes": boxes, "edges": edges, "note": note})
