"""Drawings: well-formed, escaped, text inside boxes, nothing on top of anything else."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidnas.core import Box, Diagram, Edge, UserError
from vidnas.families import diagram_of, find_architecture, list_architectures
from vidnas.report import drawing
from vidnas.report.drawing import draw_svg, svg_to_png, write_picture
from vidnas.report.layout import DETAIL_PX, LABEL_PX, lay_out
from vidnas.report.palette import colours
from vidnas.report.texts import text_width, wrap

SVG = "{http://www.w3.org/2000/svg}"


def levels(*sizes: int) -> Diagram:
    """Every box joined to every box of all later columns."""
    boxes = [
        Box(name=f"{column}.{row}", column=column, kind=f"kind {row}", label=f"Node {column}.{row}")
        for column, size in enumerate(sizes)
        for row in range(size)
    ]
    edges = [
        Edge(source=a.name, target=b.name, weight=0.5)
        for a, b in itertools.combinations(boxes, 2)
        if a.column < b.column
    ]
    return Diagram(
        title="levels",
        columns=tuple(f"Level {i}" for i in range(len(sizes))),
        boxes=tuple(boxes),
        edges=tuple(edges),
    )


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", list_architectures())
def test_every_published_architecture_is_drawn(name: str) -> None:
    diagram = diagram_of(find_architecture(name))
    svg = draw_svg(diagram)
    shown = " ".join(texts(svg))
    for box in diagram.boxes:
        assert all(word in shown for word in box.label.split())
        assert all(word in shown for word in box.detail.split())
    assert all(kind in texts(svg) for kind in {box.kind for box in diagram.boxes})
    assert svg.count("<path") == 2 * len(diagram.edges)


def test_text_is_escaped() -> None:
    evil = "<script>alert('&')</script>"
    box = Box(name="a", column=0, kind=evil, label=evil, detail=evil)
    svg = draw_svg(Diagram(title=evil, columns=(evil,), boxes=(box,)))
    assert "<script" not in svg
    assert texts(svg).count(evil) == 5


@pytest.mark.parametrize("name", ["\"'&amp;", "[/b]{{ 1 }}", "a\x00\x1b\udc80\uffff\u202e"])
def test_any_name_is_text(name: str, tmp_path) -> None:
    box = Box(name="a", column=0, kind=name, label=name, detail=name)
    write_picture(Diagram(title=name, columns=("",), boxes=(box,), note=name), tmp_path / "a.svg")
    shown = name if name[0] != "a" else r"a\x00\x1b\udc80\uffff\u202e"
    assert texts((tmp_path / "a.svg").read_text()).count(shown) == 5


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.text("aW ,²", max_size=60)), max_size=12))
def test_boxes_hold_their_text_and_do_not_overlap(drawn: list[tuple[int, str]]) -> None:
    boxes = tuple(
        Box(name=str(i), column=column, kind="conv", label=text, detail=text)
        for i, (column, text) in enumerate(drawn)
    )
    layout = lay_out(Diagram(title="t", columns=("a", "b", "c", "d"), boxes=boxes))
    for box in layout.boxes:
        assert box.x >= 0 and box.x + box.width <= layout.width
        assert box.y >= 0 and box.y + box.height <= layout.height
        assert len(box.label) * LABEL_PX + len(box.detail) * DETAIL_PX <= box.height
        for line in box.label:
            assert text_width(line, LABEL_PX, bold=True) + 14 <= box.width
    for one, other in itertools.combinations(layout.boxes, 2):
        apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
        apart_y = one.y + one.height <= other.y or other.y + other.height <= one.y
        assert apart_x or apart_y


def test_arrows_that_skip_columns_pass_between_boxes() -> None:
    diagram = levels(3, 4, 2, 3)
    layout = lay_out(diagram)
    assert len(layout.routes) == len(diagram.edges)
    skipping = [route for route in layout.routes if len(route.points) > 2]
    assert skipping
    for route in skipping:
        for (left, y), (right, same_y) in itertools.pairwise(route.points[1:-1]):
            if y != same_y:
                continue
            for box in layout.boxes:
                beside = box.x + box.width <= left or box.x >= right
                assert beside or not box.y < y < box.y + box.height


def test_a_kind_keeps_its_colour_and_kinds_differ() -> None:
    first = colours(["2D conv", "1D conv", "context gate", "mixer"])
    assert len(set(first.values())) == 4
    assert colours(["mixer"])["mixer"] == first["mixer"]
    assert colours(["2D conv", "node"])["2D conv"] == first["2D conv"]
    many = colours(f"kind {i}" for i in range(25))
    assert len(many) == 25


def test_wrapping_breaks_at_commas_first_and_loses_nothing() -> None:
    assert wrap("64, kernel 5, stride 3", DETAIL_PX, 90) == ("64, kernel 5,", "stride 3")
    assert wrap("block 1\n2 x 56", DETAIL_PX, 500) == ("block 1", "2 x 56")
    assert wrap("", DETAIL_PX, 90) == ()
    assert wrap("W" * 40, DETAIL_PX, 90) == ("W" * 40,)


def test_pictures_are_written_in_both_formats(tmp_path) -> None:
    diagram = levels(1, 2)
    write_picture(diagram, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == draw_svg(diagram)
    write_picture(diagram, tmp_path / "a.PNG")
    assert (tmp_path / "a.PNG").read_bytes()[:4] == b"\x89PNG"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.PNG", "a.svg"]


def test_other_formats_are_rejected(tmp_path) -> None:
    with pytest.raises(UserError, match=r"\.svg or \.png"):
        write_picture(levels(1), tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


def test_text_is_drawn_with_the_fonts_of_the_package_alone(monkeypatch) -> None:
    """Text in regular and bold, with the signs that drawings use, on a machine without any font."""
    given = {}
    render = drawing.resvg_py.svg_to_bytes
    monkeypatch.setattr(
        drawing.resvg_py, "svg_to_bytes", lambda **kwargs: given.update(kwargs) or render(**kwargs)
    )
    blank = svg_to_png(written(""))
    assert given["skip_system_fonts"] and not given.get("font_dirs")
    pictures = [svg_to_png(written(sign)) for sign in "Hx²µ→✓ß"]
    bold = svg_to_png(written("H", ' font-weight="600"'))
    assert len({blank, bold, *pictures}) == 9


def written(text: str, attributes: str = "") -> str:
    family = re.search('font-family="[^"]*"', draw_svg(levels(1))).group()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" {family}>'
        f'<text y="16"{attributes}>{text}</text></svg>'
    )
