"""The page of a study, made from what lies in its folder."""

from __future__ import annotations

from pathlib import Path

from vidnas.deploy.model import ModelCard
from vidnas.evolution.study import Study
from vidnas.report.page import write_report
from vidnas.report.study import EnsembleReport, StudyReport, Winner
from vidnas.workflows.records import read_record

WINNER_FILE = "best/winner.json"
ENSEMBLE_FILE = "ensemble/ensemble.json"


def write_page(study: Study, title: str) -> Path:
    """Write `report.html`; without a winner it says that the search is unfinished.

    Raises:
        UserError: a record in the folder is damaged.
    """
    report = StudyReport(
        title=title,
        folder=str(study.folder),
        trials=study.trials,
        classes=study.config.classes,
        limits=study.config.limits,
        config=study.config.model_dump(mode="json"),
        versions=ModelCard().versions,
        fitness=tuple(study.config.training.get("fitness", ())),
        winner=read_record(Winner, study.folder / WINNER_FILE),
        ensemble=read_record(EnsembleReport, study.folder / ENSEMBLE_FILE),
    )
    return write_report(report, study.folder / "report.html")
