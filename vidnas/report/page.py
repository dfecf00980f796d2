"""The study's page: one static HTML file that needs no other file and no network.

Each section is a template in `templates/`; `page.html` puts them in order.
"""

from __future__ import annotations

import shlex
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from vidnas.core import Diagram, durations, quantities
from vidnas.core.files import replacing
from vidnas.core.text import counted, escaped
from vidnas.report import ledger, plots, verdict
from vidnas.report.candidates import all_candidates, known_diagram
from vidnas.report.choices import choices_of
from vidnas.report.drawing import draw_svg
from vidnas.report.packing import Plots, packed_json, packed_plotly
from vidnas.report.study import StudyReport
from vidnas.training import chance


def write_report(report: StudyReport, path: Path) -> Path:
    """Write the page of a study, finished or not; an earlier page is replaced whole."""
    with replacing(path) as temporary:
        temporary.write_text(render(report), encoding="utf-8")
    return path


def render(report: StudyReport) -> str:
    """Return the page as HTML."""
    return fill_template(
        "page.html",
        report=report,
        plots=plots,
        verdict=verdict,
        chance=chance,
        ledger=ledger,
        choices=choices_of(report),
        packed_candidates=lambda: packed_json(all_candidates(report)),
    )


def fill_template(name: str, **values: object) -> str:
    """Return a page as HTML, with its plots and what draws them."""
    shown = Plots()
    return (
        _environment()
        .get_template(name)
        .render(plot=shown.show, packed_plots=shown.packed, packed_plotly=packed_plotly, **values)
    )


@cache
def _environment() -> Environment:
    """Return the templates' environment: what is not markup is escaped, what is unknown fails."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: escaped(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    formats = {
        name: getattr(module, name)
        for module in (durations, quantities)
        for name in dir(module)
        if name.startswith("format_")
    }
    environment.filters |= formats | {
        "diagram": known_diagram,
        "drawing": _drawing,
        "repr": repr,
        "shell_quote": shlex.quote,
    }
    environment.globals |= formats | {"counted": counted}
    return environment


def _drawing(diagram: Diagram, title: str) -> Markup:
    """Return a drawing that shrinks with the page, until it would be too small to read."""
    svg = draw_svg(diagram.model_copy(update={"title": title}))
    width_px = ET.fromstring(svg).get("width")
    frame = Markup('<div class="drawing" tabindex="0" style="--natural: {}px">{}</div>')
    return frame.format(width_px, Markup(svg))
