"""Studies of every family's space have a page."""

from __future__ import annotations

import re

import numpy as np
import pytest
from page_toys import cost, drawn_plots, opened, report

from vidnas.core import Evaluation
from vidnas.deploy import ModelCard
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import diagram_of, families
from vidnas.report.ledger import ledger
from vidnas.report.page import render
from vidnas.report.study import StudyReport

SEARCHED = ("assemblenet", "evanet", "evanet_inception", "tinystreams", "tinyvideonet")


def study_of(family: str, trials: int = 14) -> StudyReport:
    """A line of mutations in the family's default space, each better than its parent."""
    space, rng = families()[family].space, np.random.default_rng(0)
    try:
        searched = space(max_size_px=64, max_frames=16, modalities=("rgb", "flow"))
    except Exception:  # takes one kind of clip
        searched = space(max_size_px=64, max_frames=16)
    history: list[Trial] = []
    for number in range(trials):
        proposal = Proposal(searched.random(rng))
        if number > 2:
            parent = history[number - 2]
            child, phrases = searched.mutate(parent.architecture, rng, parent.evaluation)
            proposal = Proposal(child, parent.number, phrases)
        edges = diagram_of(proposal.architecture).edges
        found = Evaluation(
            status="ok", fitness=0.3 + number / 50, cost=cost(1.0 + number),
            metrics={"top1": 0.3 + number / 50, "epochs": 8.0},
            connection_weights={f"{one.source}->{one.target}": float(rng.random()) for one in edges}
            if family == "assemblenet" else {},
        )  # fmt: skip
        history.append(Trial(number, proposal, found, 30.0 * (number + 1)))
    winner = ModelCard(trial=trials - 1, cost=cost(1.0))
    return report(history=history, winner=winner, models=[winner])


@pytest.mark.parametrize("family", SEARCHED)
def test_a_study_of_each_family_has_a_page(family: str) -> None:
    study = study_of(family)
    html = render(study)
    found, drawn = opened(html), drawn_plots(html)
    assert all(row["drawing"].startswith("<svg") for row in found)
    assert {"cost", "curves", "ladder", "tree", "preferences"} <= set(drawn)
    if family == "assemblenet":
        assert "weights" in drawn
    _, rows = ledger(study)
    assert sum(row.children for row in rows) >= 11
    for row in rows:
        assert not re.search(r"\d{2,}|\d ->|-> \d", row.kind), row.kind
