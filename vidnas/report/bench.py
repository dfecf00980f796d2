"""The plot of networks in all runtimes: latencies as bars, a group for each network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import plotly.graph_objects as go

from vidnas.core import Latency
from vidnas.core.files import replacing
from vidnas.core.text import escaped


class Row(Protocol):
    """One network in one runtime."""

    @property
    def network(self) -> str:
        """Name of the network."""

    @property
    def runtime(self) -> str:
        """Name of the runtime."""

    @property
    def latency(self) -> Latency | None:
        """What it takes there; None where it does not run."""


def write_plot(rows: Sequence[Row], path: Path) -> None:
    """Write a page with the plot, which needs no other file and no network."""
    figure = go.Figure()
    for runtime in dict.fromkeys(row.runtime for row in rows):
        timed = [(row, row.latency) for row in rows if row.runtime == runtime and row.latency]
        figure.add_bar(
            name=runtime,
            x=[escaped(row.network) for row, _ in timed],
            y=[latency.p50_ms for _, latency in timed],
            text=[f"{latency.p50_ms:.3g}" for _, latency in timed],
            error_y={
                "array": [max(latency.p90_ms - latency.p50_ms, 0.0) for _, latency in timed],
                "visible": True,
            },
        )
    figure.update_layout(
        barmode="group",
        template="plotly_white",
        title="Latency of one clip: p50, with p90 as whiskers",
        yaxis={"type": "log", "title": "ms (logarithmic)"},
    )
    page = figure.to_html(include_plotlyjs=True, full_html=True)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
