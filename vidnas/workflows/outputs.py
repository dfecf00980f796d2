"""Where models are written: no study and no other model is replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vidnas.core import UserError
from vidnas.deploy.model import MODEL_FILE
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.study import CONFIG_NAME


def require_free(folder: Path, is_replaced: Callable[[Path], bool] = lambda folder: False) -> None:
    """Reject a folder for a model that holds another one, or a study: its answer would be hidden.

    Args:
        folder: where the model is to go.
        is_replaced: whether a model that is there may be replaced.

    Raises:
        UserError: the folder is taken.
    """
    if _is_study(folder):
        raise UserError(f"{folder} is a study; choose another folder for --out.")
    if (folder / MODEL_FILE).exists() and not is_replaced(folder):
        raise UserError(f"{folder} already holds another model; choose another folder for --out.")


def _is_study(folder: Path) -> bool:
    if not (folder / CONFIG_NAME).is_file():
        return False
    try:
        StudyConfig.read(folder / CONFIG_NAME)
    except UserError:  # other programs have files of this name, too
        return False
    return True
