"""Two architectures beside each other."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from commands import call

from vidnas.core import Diagram
from vidnas.families import diagram_of, find_architecture
from vidnas.families.assemblenet import AssembleNet, Block, Stem
from vidnas.report.comparing import draw_comparison, marked
from vidnas.report.drawing import svg_to_pdf


def test_only_what_differs_is_marked() -> None:
    """A block that is put in does not make those behind it differ."""
    one = find_architecture("tvn1")
    extra = one.blocks[1].model_copy(update={"filters": 48})
    other = one.model_copy(update={"blocks": (one.blocks[0], extra, *one.blocks[1:])})
    mine, theirs = marked(diagram_of(one), diagram_of(other))
    added = [box for box in theirs.boxes if box.marked]
    assert added and len(added) == len(theirs.boxes) - len(mine.boxes)
    assert not any(box.marked for box in mine.boxes)
    same = marked(diagram_of(one), diagram_of(one))
    assert not any(part.marked for diagram in same for part in (*diagram.boxes, *diagram.edges))


def test_connections_are_compared() -> None:
    def network(*inputs: int) -> Diagram:
        first = Block(level=2, inputs=(0, 1), filters=8)
        second = Block(level=3, inputs=inputs, filters=8)
        stems = (Stem(kind="rgb"), Stem(kind="flow"))
        return diagram_of(AssembleNet(frames=4, size_px=64, stems=stems, blocks=(first, second)))

    one, other = network(0, 2), network(2)
    mine, theirs = marked(one, other)
    assert not any(box.marked for diagram in (mine, theirs) for box in diagram.boxes)
    assert [edge for edge in mine.edges if edge.marked] == [
        edge.model_copy(update={"marked": True})
        for edge in one.edges
        if (edge.source, edge.target) not in {(e.source, e.target) for e in other.edges}
    ]
    assert sum(edge.marked for edge in mine.edges) == 1
    assert not any(edge.marked for edge in theirs.edges)
    assert draw_comparison(one, other).count("#d9731f") == 2  # its line and its head


def test_both_are_in_one_picture() -> None:
    names = ("tvn1", "evanet_a")
    diagrams = [diagram_of(find_architecture(name)) for name in names]
    svg = ET.fromstring(draw_comparison(*diagrams))
    inner = [part for part in svg if part.tag.endswith("svg")]
    assert len(inner) == 2
    heights = [float(part.get("height", "0")) for part in inner]
    assert [float(part.get("y", "0")) for part in inner] == [0.0, heights[0]]
    assert float(svg.get("height", "0")) == sum(heights)


def test_the_command_draws_both(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call("draw", "tvn1", "--against", "tvn2")
    assert result.stdout.strip() == "tvn1-against-tvn2.svg"
    svg = (tmp_path / "tvn1-against-tvn2.svg").read_text()
    assert ">tvn1<" in svg and ">tvn2<" in svg
    call("draw", "tvn1", "--against", "tvn2", "--out", tmp_path / "both.png")
    assert (tmp_path / "both.png").read_bytes()[:4] == b"\x89PNG"


def test_pdf_has_its_text_as_text(tmp_path) -> None:
    pytest.importorskip("svg2pdf_py")
    call("draw", "tvn1", "--out", tmp_path / "tvn1.pdf")
    content = (tmp_path / "tvn1.pdf").read_bytes()
    assert content.startswith(b"%PDF") and b"DejaVuSans" in content
    assert len(svg_to_pdf('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')) > 100
