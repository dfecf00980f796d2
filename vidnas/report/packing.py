"""What the page's script unpacks: plots, candidates and Plotly itself, compressed within the HTML.

Plotly is 4.8 MB of text and 2 MB packed; genes and drawings shrink to a tenth. No text from outside
can end a script or begin another one, because there is none left.
"""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

_LEVEL = 6


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

    def packed(self) -> Markup:
        """Return all plots that were shown."""
        return packed_json(self._figures)


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
