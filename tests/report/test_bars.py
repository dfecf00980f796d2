"""Bars: long names keep their beginning."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from vidnas.report.bars import draw_bars
from vidnas.report.texts import shortened, text_width


def test_a_text_is_shortened_at_its_end() -> None:
    assert shortened("walk", 10, 100) == "walk"
    short = shortened("walk " * 30, 10, 100)
    assert short.startswith("walk walk") and short.endswith("…")
    assert 80 < text_width(short, 10) <= 100
    assert shortened("walk", 10, 0) == "…"


def test_a_long_name_begins_within_the_picture() -> None:
    name = "Playing the accordion while riding a unicycle across a bridge in heavy rain"
    svg = ET.fromstring(draw_bars("Videos", {"By class": {name: 3, "walk": 2}}))
    (text,) = (one for one in svg.iter() if one.text and one.text.startswith("Playing"))
    assert text.get("text-anchor") == "end"
    assert float(text.get("x")) - text_width(text.text, float(text.get("font-size"))) >= 0
