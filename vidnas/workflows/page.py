"""The page of a study, made from what lies in its folder."""

from __future__ import annotations

from pathlib import Path

from vidnas.deploy.model import MODEL_FILE, ModelCard, load_card
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.study import Study
from vidnas.report.page import write_report
from vidnas.report.study import EnsembleReport, StudyReport
from vidnas.workflows.records import read_record

PAGE_FILE = "report.html"
BEST_FOLDER = "best"
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
        fitness=ClipEvaluation.of_study(study.config).fitness,
        winner=read_winner(study.folder),
        ensemble=read_record(EnsembleReport, study.folder / ENSEMBLE_FILE),
    )
    return write_report(report, study.folder / PAGE_FILE)


def read_winner(folder: Path) -> ModelCard | None:
    """Return the card of the network that a study trained in full, or None before that.

    Raises:
        UserError: the model is damaged.
    """
    best = folder / BEST_FOLDER
    return load_card(best) if (best / MODEL_FILE).is_file() else None
