"""What the page's script unpacks: plots, candidates and Plotly itself, compressed within the HTML.

Plotly is 4.8 MB of text and 2 MB packed; genes shrink to a tenth, and drawings, which share their
parts, to a twentieth. No text from outside can end a script or begin another one, because there is
none left.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from functools import cache
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

_LEVEL = 6
_BETWEEN_TAGS = re.compile("(?<=>)(?=<)")


class Plots:
    """The plots of a page, gathered while its templates are filled."""

    def __init__(self) -> None:
        self._figures: dict[str, Any] = {}

    def show(self, figure: go.Figure, name: str, title: str) -> Markup:
        """Return where a plot will be drawn; its title is what screen readers say of it."""
        self._figures[name] = figure.to_plotly_json()
        height = figure.layout.height or 400
        place = Markup(
            '<div class="plot" id="plot-{}" role="img" aria-label="{}" style="height: {}px"></div>'
        )
        return place.format(name, title, int(height))

    def packed(self) -> dict[str, Markup]:
        """Return the plots that were shown by their names, each for itself: what nobody scrolls to
        is never unpacked."""
        return {name: packed_json(figure) for name, figure in self._figures.items()}


class SharedParts:
    """Drawings taken apart into elements, of which those that are alike are kept once: ten thousand
    drawings have few boxes and arrows that no other one has."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._drawings: dict[int, list[int]] = {}
        self.characters = 0
        """Of the parts."""

    def add(self, key: int, markup: str) -> None:
        """Take a drawing apart."""
        numbers = []
        for part in _BETWEEN_TAGS.split(markup):
            if part not in self._numbers:
                self._numbers[part] = len(self._numbers)
                self.characters += len(part)
            numbers.append(self._numbers[part])
        self._drawings[key] = numbers

    def sort(self) -> tuple[list[str], dict[int, list[int]]]:
        """Return the parts, and of each drawing by its key the places of its parts among them.

        They are sorted, because those that are nearly alike then shrink to what they differ in.
        """
        found = list(self._numbers)
        order = sorted(range(len(found)), key=found.__getitem__)
        place = {number: at for at, number in enumerate(order)}
        drawings = {
            key: [place[number] for number in numbers] for key, numbers in self._drawings.items()
        }
        return [found[number] for number in order], drawings


def packed_json(value: Any) -> Markup:
    """Return a value as the content of a script element that holds data."""
    return _packed(json.dumps(value, separators=(",", ":"), default=_plain, allow_nan=False))


@cache
def packed_plotly() -> Markup:
    """Return the library that draws the plots, likewise."""
    return _packed(get_plotlyjs())


def packed_bytes(content: bytes) -> Markup:
    """Return any content, likewise."""
    # Without the time, so that the same study makes the same page.
    return Markup(base64.b64encode(gzip.compress(content, _LEVEL, mtime=0)).decode())


def _packed(text: str) -> Markup:
    return packed_bytes(text.encode("utf-8", "backslashreplace"))


def _plain(value: Any) -> Any:
    """Return arrays and their numbers as JSON has them."""
    return value.tolist()
