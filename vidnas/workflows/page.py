"""The page of a study, made from what lies in its folder."""

from __future__ import annotations

from pathlib import Path

from vidnas.core import UserError
from vidnas.core.bounds import CARD
from vidnas.core.text import cause_of
from vidnas.deploy.card import ModelCard
from vidnas.deploy.finalists import finished_models
from vidnas.deploy.model import MODEL_FILE, load_card
from vidnas.evolution.accounting import Accounting
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.study import Study
from vidnas.profiling.blocks import BlockTimes
from vidnas.report.in_browser import InBrowser
from vidnas.report.mistakes import Mistakes
from vidnas.report.page import render, write_report
from vidnas.report.study import EnsembleReport, StudyReport
from vidnas.workflows.clips import LARGEST_PX
from vidnas.workflows.examination import BLOCKS_FILE, MISTAKES_FILE
from vidnas.workflows.listener import Listener
from vidnas.workflows.records import read_record
from vidnas.workflows.request import REQUEST_FILE, SearchRequest
from vidnas.workflows.study_clips import known_clips

PAGE_FILE = "report.html"
BEST_FOLDER = "best"
ENSEMBLE_FILE = "ensemble/ensemble.json"


def write_page(study: Study, title: str) -> Path:
    """Write `report.html`; without a winner it says that the search is unfinished.

    Raises:
        UserError: a record in the folder is damaged.
    """
    return write_report(read_report(study, title), study.folder / PAGE_FILE)


def read_report(study: Study, title: str, in_browser: InBrowser | None = None) -> StudyReport:
    """Return what the page of a study shows.

    Raises:
        UserError: a record in the folder is damaged.
    """
    clips = known_clips(study.folder)
    evaluation = _evaluation(study.config)
    return StudyReport(
        title=title,
        folder=str(study.folder),
        history=study.history,
        classes=study.config.classes,
        limits=study.config.limits,
        config=study.config.model_dump(mode="json"),
        versions=ModelCard().versions,
        fitness=evaluation.fitness if evaluation else (),
        winner=read_winner(study.folder),
        models=read_models(study.folder),
        accounting=read_accounting(study),
        ensemble=read_record(EnsembleReport, study.folder / ENSEMBLE_FILE, CARD),
        videos=clips.counts if clips else {},
        whole_size=evaluation is not None and _whole_size(study.folder, evaluation),
        mistakes=read_record(Mistakes, study.folder / BEST_FOLDER / MISTAKES_FILE, CARD),
        blocks=read_record(BlockTimes, study.folder / BEST_FOLDER / BLOCKS_FILE),
        in_browser=in_browser,
    )


def _whole_size(folder: Path, evaluation: ClipEvaluation) -> bool:
    """Whether frames are stored as large as the videos: nobody chose their size, and none was too
    large."""
    request = read_record(SearchRequest, folder / REQUEST_FILE)
    unasked = request is not None and request.size_px is None
    return unasked and evaluation.clips.size_px < LARGEST_PX


def try_page(study: Study, title: str, listener: Listener) -> Path | None:
    """Write the page of a study, or say why that is not possible: no search is lost for it."""
    try:
        return write_page(study, title)
    except Exception as error:  # whatever went wrong, what counts is in the folder already
        listener.remark(
            f"{study.folder / PAGE_FILE} could not be written ({cause_of(error)}); all else is "
            f"kept, and `vidnas page {study.folder}` or the same command writes it."
        )
        return None


def rewrite_page(folder: Path) -> Path:
    """Write the page of a study anew, also while a search is running in it.

    Raises:
        UserError: the folder is not a study, or something in it is damaged.
    """
    return write_page(Study.read(folder), read_title(folder))


def render_page(folder: Path) -> str:
    """Return what `rewrite_page` would write, and write nothing.

    Raises:
        UserError: as `rewrite_page`.
    """
    return render(read_report(Study.read(folder), read_title(folder)))


def read_title(folder: Path) -> str:
    """Return what the page of a study is called: as its clips, or as its folder, where the search
    was started from Python.

    Raises:
        UserError: the record of the request is damaged.
    """
    request = read_record(SearchRequest, folder / REQUEST_FILE)
    return request.title if request else folder.resolve().name


def _evaluation(config: StudyConfig) -> ClipEvaluation | None:
    """Return how candidates are evaluated; None by somebody's own evaluator."""
    try:
        return ClipEvaluation.of_study(config)
    except UserError:
        return None


def read_winner(folder: Path) -> ModelCard | None:
    """Return the card of the network that is a study's answer, or None before there is one.

    Raises:
        UserError: the model is damaged.
    """
    best = folder / BEST_FOLDER
    return load_card(best) if (best / MODEL_FILE).is_file() else None


def read_models(folder: Path) -> list[ModelCard]:
    """Return the cards of all networks that were finished in a study.

    Raises:
        UserError: a model is damaged.
    """
    return [load_card(one) for one in finished_models(folder)]


def read_accounting(study: Study) -> Accounting | None:
    """Return where the core-seconds of a search went; None where nothing was recorded, or the
    search was started from Python.

    Raises:
        UserError: a model or the record of the request is damaged.
    """
    request = read_record(SearchRequest, study.folder / REQUEST_FILE)
    if request is None or request.workers is None or not study.history:
        return None
    finished = {card.trial for card in read_models(study.folder) if card.trial is not None}
    return Accounting.of(study.history, finished, request.workers, study.history[-1].elapsed_s)
