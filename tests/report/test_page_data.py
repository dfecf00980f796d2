"""What the page's script unpacks: plots, candidates and their drawings."""

from __future__ import annotations

import json

import pytest
from page_toys import EVIL, TEST, TRIALS, drawn_plots, ok, opened, packed, report, trial

from vidnas.deploy import ModelCard
from vidnas.families import diagram_of, find_architecture
from vidnas.report import candidates
from vidnas.report.drawing import draw_svg
from vidnas.report.page import render


def test_plots_reach_the_page_unchanged() -> None:
    html = render(report())
    drawn = {name: figure["data"] for name, figure in drawn_plots(html).items()}
    assert set(drawn) == {"cost", "ladder", "tree", "confusion"}
    for name in drawn:
        assert f'id="plot-{name}"' in html
    assert next(one for one in drawn["ladder"] if one["name"] == "rung 0")["y"] == [0.5, 0.7, 0.6]
    assert drawn["confusion"][0]["z"] == [[2 / 3, 1 / 3], [0, 1]]


def test_a_long_study_has_no_more_traces_than_a_short_one() -> None:
    """What a browser takes to draw a plot hangs on its traces more than on its points."""
    longer = [trial(n, ok(0.3 + n / 1000, 1.0 + n), n - 1 if n else None) for n in range(300)]
    plotted = drawn_plots(render(report(history=longer, winner=ModelCard(trial=3, test=TEST))))
    assert all(len(figure["data"]) <= 10 for figure in plotted.values())
    points = next(one for one in plotted["cost"]["data"] if one["name"] == "candidate")["x"]
    assert len(points) == 300


def test_every_candidate_opens() -> None:
    """With its genes, its drawing, what became of it and why, as text."""
    found = opened(render(report()))
    assert len(found) == len(TRIALS)
    assert found[3]["mutations"] == ["block 1: filters 32 -> 64", f"{EVIL} on"]
    assert found[3]["parent"] == 0 and found[0]["parent"] is None
    assert found[1]["facts"]["Outcome"] == "rejected: latency 52 ms > 10 ms"
    assert found[1]["facts"]["Latency"] == "52 ms"
    assert found[4]["facts"]["Outcome"] == f"failed: ValueError: {EVIL}"
    assert found[3]["facts"]["Finished"] == "80.0% test"
    diagram = diagram_of(find_architecture("tvn1"))
    for number, row in enumerate(found):
        assert json.loads(row["genes"])["family"] == "tinyvideonet"
        titled = diagram.model_copy(update={"title": f"Trial {number}"})
        assert row["drawing"] == draw_svg(titled)


def test_drawings_share_what_is_alike() -> None:
    """Six drawings of one network have no more parts than one, but for their titles."""
    found = packed(render(report()), "candidates")
    first = set(found["rows"][0]["drawing"])
    assert len(found["parts"]) == len(first) + 2 * (len(TRIALS) - 1)


def test_the_best_are_drawn_as_far_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "MOST_DRAWN", 0)
    rows = packed(render(report()), "candidates")["rows"]
    best = max(TRIALS, key=lambda one: one.rank).number
    assert [number for number, row in enumerate(rows) if "drawing" in row] == [best]
