"""The page of a study, made from what lies in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.core.value import Value
from vidnas.deploy.model import ModelCard
from vidnas.evolution.study import Study
from vidnas.report.page import write_report
from vidnas.report.study import EnsembleReport, StudyReport, Winner

WINNER_FILE = "best/winner.json"
ENSEMBLE_FILE = "ensemble/ensemble.json"

_Record = TypeVar("_Record", bound=Value)


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


def write_record(record: Value, path: Path) -> None:
    """Write a record as JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_record(kind: type[_Record], path: Path) -> _Record | None:
    """Read what `write_record` wrote; None where nothing is.

    Raises:
        UserError: the file is damaged or of another version.
    """
    if not path.is_file():
        return None
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise UserError(
            f"{path} is damaged or of another version; delete it and run the command that wrote it "
            "again."
        ) from error
