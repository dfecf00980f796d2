"""The drawings in the documentation are what `vidnas draw` makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidnas.families import diagram_of, find_architecture
from vidnas.report.drawing import draw_svg

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


@pytest.mark.parametrize("name", ["tvn1", "evanet_a", "assemblenet_50"])
def test_a_published_network_is_drawn_as_now(name: str) -> None:
    diagram = diagram_of(find_architecture(name)).model_copy(update={"title": name})
    shown = (IMAGES / f"{name}.svg").read_text(encoding="utf-8")
    assert shown == draw_svg(diagram), f"run vidnas draw {name} --out docs/images/{name}.svg"
