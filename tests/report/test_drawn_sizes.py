"""Sizes on drawings: true to the networks, beside the arrows, and no text on another one."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vidnas.core import Box, Diagram, Edge, tensor_size
from vidnas.families import (
    Architecture,
    create_network,
    diagram_of,
    families,
    find_architecture,
    list_architectures,
)
from vidnas.families.assemblenet import AssembleNet
from vidnas.families.tinyvideonet import TinyVideoNet
from vidnas.report.drawing import draw_svg
from vidnas.report.layout import MARGIN, lay_out
from vidnas.report.sizes import size_lines
from vidnas.report.texts import text_width

SVG = "{http://www.w3.org/2000/svg}"
SEARCHED = ("assemblenet", "evanet", "evanet_inception", "tinystreams", "tinyvideonet")


def searched(family: str, count: int) -> list[Architecture]:
    """Architectures that a search may visit."""
    build, rng = families()[family].space, np.random.default_rng(0)
    assert build is not None
    space = build(max_size_px=64, max_frames=8)
    return [space.random(rng) for _ in range(count)]


def diagrams() -> dict[str, Diagram]:
    found = {name: diagram_of(find_architecture(name)) for name in list_architectures()}
    for family in SEARCHED:
        for number, one in enumerate(searched(family, 4)):
            diagram = diagram_of(one)
            weights = {f"{edge.source}->{edge.target}": 0.3 for edge in diagram.edges}
            found[f"{family} {number}"] = diagram.weighted(weights)
    return found


DIAGRAMS = diagrams()


def tensor_sizes(network: nn.Module, module: nn.Module | None = None) -> list[str]:
    """The sizes of what a module of a network, or each of them, makes of a single clip."""
    found: list[str] = []

    def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
        made = output[0] if isinstance(output, tuple) else output
        if isinstance(made, Tensor) and made.ndim == 4:
            frames, channels, height, width = made.shape  # of one clip the batch is its frames
            if height == width:  # not within a convolution over time
                found.append(tensor_size(channels, frames, height))

    watched = network.modules() if module is None else [module]
    hooks = [one.register_forward_hook(note) for one in watched]
    clips = [
        torch.zeros(1, spec.channels, spec.frames, spec.size_px, spec.size_px)
        for spec in network.architecture.inputs  # type: ignore[union-attr]
    ]
    with torch.no_grad():
        network.eval()(*clips)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("family", SEARCHED)
def test_sizes_are_those_of_the_tensors(family: str) -> None:
    for architecture in searched(family, 3):
        boxes = [box for box in diagram_of(architecture).boxes if not box.unused]
        said = {box.size for box in boxes if box.size and box.kind != "input"}
        assert said
        assert said <= set(tensor_sizes(create_network(architecture, num_classes=3)))


def test_each_node_hands_on_what_its_box_says() -> None:
    for architecture in searched("assemblenet", 3):
        assert isinstance(architecture, AssembleNet)
        network: Any = create_network(architecture, num_classes=3)
        boxes = {box.name: box for box in diagram_of(architecture).boxes}
        for node, module in zip(architecture.built, network.nodes, strict=True):
            name = architecture.node_names[node]
            assert tensor_sizes(network, module) == [boxes[name].size]


def test_each_block_hands_on_what_its_last_box_says() -> None:
    for architecture in searched("tinyvideonet", 3):
        assert isinstance(architecture, TinyVideoNet)
        network: Any = create_network(architecture, num_classes=3)
        boxes = diagram_of(architecture).boxes
        ends = itertools.accumulate(block.repeats for block in architecture.blocks)
        for column, end in enumerate(ends, 1):
            own = [box for box in boxes if box.column == column]
            if own:
                assert tensor_sizes(network, network.units[end - 1]) == [own[-1].size]


@dataclass(frozen=True)
class Written:
    """A text of a drawing and the rectangle that it takes."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Written) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def written(svg: str) -> Iterator[Written]:
    """Yield every text of a drawing, as wide as in the widest of the usual fonts."""
    root = ET.fromstring(svg)
    parents = {child: parent for parent in root.iter() for child in parent}
    for one in root.iter(f"{SVG}text"):
        text, size = one.text or "", float(one.get("font-size") or 0)
        width = text_width(text, size, bold=one.get("font-weight") is not None)
        shift = {"start": 0.0, "middle": -width / 2, "end": -width}[one.get("text-anchor", "start")]
        left, baseline = float(one.get("x") or 0) + shift, float(one.get("y") or 0)
        top, bottom, right = baseline - 0.76 * size, baseline + 0.2 * size, left + width
        place = parents[one].get("transform") or "translate(0 0)"
        x, y = (float(number) for number in re.findall(r"[-\d.]+", place)[:2])
        if "rotate(-90)" in place:
            left, top, right, bottom = top, -right, bottom, -left
        yield Written(text, x + left, y + top, x + right, y + bottom)


@pytest.mark.parametrize("name", DIAGRAMS)
def test_no_text_lies_on_another_one(name: str) -> None:
    texts = list(written(draw_svg(DIAGRAMS[name])))
    assert len(texts) > 10
    for one, other in itertools.combinations(texts, 2):
        assert not one.overlaps(other), (one, other)


@pytest.mark.parametrize("name", DIAGRAMS)
def test_sizes_lie_on_no_box_and_within_the_picture(name: str) -> None:
    layout = lay_out(DIAGRAMS[name])
    leaving = {edge.source for edge in DIAGRAMS[name].edges}
    expected = [box for box in DIAGRAMS[name].boxes if box.size and box.name in leaving]
    assert len(layout.sizes) == len(expected)
    for size in layout.sizes:
        assert size.x + size.width <= layout.width
        assert size.y >= MARGIN and size.y + size.height <= layout.height
        for box in layout.boxes:
            apart_x = size.x + size.width <= box.x or box.x + box.width <= size.x
            apart_y = size.y + size.height <= box.y or box.y + box.height <= size.y
            assert apart_x or apart_y, (size, box)


@pytest.mark.parametrize("name", ["assemblenet_50", "assemblenet_plus_50_object", "tinystreams 0"])
def test_where_many_arrows_leave_no_size_is_among_them(name: str) -> None:
    layout = lay_out(DIAGRAMS[name])
    assert len(layout.sizes) > 3 and all(len(size.lines) == 1 for size in layout.sizes)
    for size, route in itertools.product(layout.sizes, layout.routes):
        for (left, y0), (right, y1) in itertools.pairwise(route.points):
            if left < size.x + size.width and size.x < right:  # a level piece, within a column
                assert y0 == y1 and not size.y < y0 < size.y + size.height


def test_a_size_is_written_in_two_lines() -> None:
    box = Box(name="a", column=0, kind="conv", label="a", size=tensor_size(24, 8, 56))
    assert size_lines(box) == ("24 x 8 x", "56 x 56")
    diagram = Diagram(
        title="t", columns=("", ""),
        boxes=(box, Box(name="b", column=1, kind="conv", label="b", size="99 x 8 x 7 x 7")),
        edges=(Edge(source="a", target="b"),),
    )  # fmt: skip
    texts = [one.text for one in written(draw_svg(diagram))]
    assert "24 x 8 x" in texts and "99 x 8 x" not in texts  # nothing leaves the second box
    assert "Sizes: channels x frames x height x width." in texts
    plain = diagram.model_copy(update={"edges": ()})
    assert not [one for one in written(draw_svg(plain)) if "Sizes" in one.text]
