"""An accuracy on the terminal stands beside what guessing reaches."""

from __future__ import annotations

import pytest
import torch
from judged import judged

from vidnas.cli.scores import show_headline, show_metrics
from vidnas.training.metrics import score_multi_label


def test_a_network_that_always_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    show_headline(judged([[12, 0, 0], [9, 0, 0], [9, 0, 0]]), ["walk", "run", "[b]jump"])
    first, chance, warning, *rest = capsys.readouterr().out.splitlines()
    assert first == "40.0% top-1 on 30 unseen clips (33.3% mean class)"  # no top-5 of three
    assert chance == (
        "chance  between 24.6% and 57.7% with 95 % confidence, guessing reaches 33.3%, always "
        "naming walk 40.0%"
    )
    assert warning.startswith("This network is no better than guessing: 40.0% top-1 on 30 clips")
    assert rest == []


def test_a_good_network_is_not_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    show_metrics(judged([[14, 1], [0, 15]]), ["walk", "run"], "net on clips")
    said = capsys.readouterr().out
    assert "chance      between 83.3% and 99.4%" in said
    assert "guessing reaches 50.0%" in said and "This network" not in said
    assert "always naming" not in said  # of classes that are as frequent, it is guessing


def test_few_clips_prove_little(capsys: pytest.CaptureFixture[str]) -> None:
    show_metrics(judged([[2, 0], [0, 1]]), ["walk", "run"], "net on clips")
    assert "This network may be guessing: 100.0% top-1 on 3 clips" in capsys.readouterr().out


def test_several_labels_have_a_chance_level_too(capsys: pytest.CaptureFixture[str]) -> None:
    shown = torch.tensor([[1, 0], [0, 1], [0, 1], [0, 0]])
    show_headline(score_multi_label(torch.full((4, 2), 0.5), shown), ["walk", "run"])
    said = capsys.readouterr().out
    assert "chance  guessing reaches 37.5%" in said
    assert "no better than guessing: 37.5% mAP" in said
