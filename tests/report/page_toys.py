"""A made-up study and what its page holds, for the tests of the page."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser

from vidnas.core import Cost, Evaluation, Latency, LatencyProtocol
from vidnas.deploy import ModelCard
from vidnas.evolution.limits import Limits
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import find_architecture
from vidnas.report.study import StudyReport
from vidnas.training import Metrics

EVIL = "<script>alert(1)</script>"
PROTOCOL = LatencyProtocol(
    device="cpu (a <b>chip</b>)", runtime="onnxruntime 1.31.1", threads=1, dtype="float32",
    batch=1, warmup=3, repeats=60,
)  # fmt: skip


def cost(latency_ms: float | None, macs: int = 5_000_000) -> Cost:
    latency = None
    if latency_ms is not None:
        latency = Latency(p50_ms=latency_ms, p90_ms=latency_ms, spread=0.1, protocol=PROTOCOL)
    return Cost(parameters=1_200_000, macs=macs, activation_bytes=4_000_000, latency=latency)


def trial(number, evaluation, parent=None, mutations=(), design=False) -> Trial:
    proposal = Proposal(find_architecture("tvn1"), parent, mutations, design)
    return Trial(number, proposal, evaluation, 30.0 * (number + 1))


def ok(fitness: float, latency_ms: float | None) -> Evaluation:
    return Evaluation(
        status="ok", fitness=fitness, metrics={"top1": fitness}, cost=cost(latency_ms), seconds=4
    )


TRIALS = [
    trial(0, ok(0.5, 4.0)),
    trial(
        1,
        Evaluation(
            status="rejected",
            broken_limit="latency",
            reason="latency 52 ms > 10 ms",
            cost=cost(52.0),
        ),
    ),
    trial(
        2,
        Evaluation(
            status="rejected", broken_limit="parameters", reason="parameters 9 > 3", cost=cost(None)
        ),
        0,
    ),
    trial(3, ok(0.7, 8.0), 0, ("block 1: filters 32 -> 64", f"{EVIL} on")),
    trial(4, Evaluation(status="failed", reason=f"ValueError: {EVIL}")),
    trial(5, ok(0.6, 9.0), 3, ("frames 4 -> 8",)),
]
TEST = Metrics(clips=5, loss=0.4, top1=0.8, top5=1.0, mean_class=0.75, confusion=((2, 1), (0, 2)))


def report(**changes) -> StudyReport:
    winner = ModelCard(trial=3, cost=cost(8.0), test=TEST, export_difference=2e-6)
    fields = {
        "title": f"clips {EVIL}", "folder": f"/tmp/{EVIL} x", "history": TRIALS,
        "classes": (EVIL, "walk & run"),
        "limits": Limits(latency_ms=10, parameters=1_000_000),
        "config": {"strategy": {"name": EVIL}, "seed": 0}, "versions": {"vidnas": EVIL},
        "winner": winner,
    }  # fmt: skip
    return StudyReport(**{**fields, **changes})


class Page(HTMLParser):
    """What a browser would see: scripts, references to other files, text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        self._inside = tag
        if tag == "script":
            self.scripts.append("")
        self.references += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag) -> None:
        self._inside = ""

    def handle_data(self, data) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data + " "


def drawn_plots(html: str):
    """The figures of the page by their names."""
    names = re.findall('id="packed-plot-([^"]*)"', html)
    return {name: packed(html, f"plot-{name}") for name in names}


def opened(html: str):
    """The candidates as the page opens them, each with its whole drawing."""
    found = packed(html, "candidates")
    return [
        row | {"drawing": "".join(found["parts"][part] for part in row["drawing"])}
        for row in found["rows"]
    ]


def packed(html: str, name: str):
    """What the page's script unpacks."""
    content = re.search(f'id="packed-{name}">([^<]*)<', html).group(1)
    return json.loads(gzip.decompress(base64.b64decode(content)))
