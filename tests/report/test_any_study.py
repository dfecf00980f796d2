"""The page of studies that `vidnas search` did not make, or whose family is unknown here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from commands import call
from page_toys import TRIALS, report
from search_toys import Toy, toy_config

from vidnas.core import Evaluation
from vidnas.deploy import ModelCard
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Proposal, Trial
from vidnas.evolution.unknown_architecture import UnknownArchitecture
from vidnas.report.page import render
from vidnas.workflows.page import render_page


def of_unknown_family(trial: Trial) -> Trial:
    genes = f'{{"family": "mine", "width": {trial.number}}}'
    architecture = UnknownArchitecture(genes=genes, stored_digest=f"digest{trial.number}")
    evaluation = trial.evaluation.model_copy(update={"connection_weights": {"0-1": 0.5}})
    proposal = replace(trial.proposal, architecture=architecture)
    return replace(trial, proposal=proposal, evaluation=evaluation)


def test_a_family_that_is_unknown_here_is_not_drawn() -> None:
    history = [*map(of_unknown_family, TRIALS)]
    for winner, number in ((ModelCard(trial=3), 3), (None, 3)):
        text = render(report(history=history, winner=winner))
        assert f"Trial {number} is not drawn: its family was not known" in text


def test_a_study_that_python_started_has_a_page(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with Study.create_or_resume(folder, toy_config()) as study:
        found = Evaluation(status="ok", fitness=0.5)
        study.record(Proposal(Toy(widths=(1,))), found, elapsed_s=1.0)
    assert "<h1>mine</h1>" in render_page(folder)
    assert call("page", folder).returncode == 0
