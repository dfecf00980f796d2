"""Runs that finished a network of a study once more, and ended no better than what is there."""

from __future__ import annotations

from pathlib import Path

from vidnas.core import UserError
from vidnas.core.bounds import bounded_bytes
from vidnas.core.files import replacing
from vidnas.core.value import Value
from vidnas.training import TrainingRun

TRIED_FILE = "tried.json"


class _Tried(Value):
    runs: tuple[TrainingRun, ...] = ()


def was_tried(folder: Path, run: TrainingRun) -> bool:
    """Return whether a run ended no better than the network in a folder."""
    return run in _read(folder).runs


def note_tried(folder: Path, run: TrainingRun) -> None:
    """Note that a run did, so that it is not repeated."""
    tried = _Tried(runs=(*_read(folder).runs, run))
    with replacing(folder / TRIED_FILE) as temporary:
        temporary.write_text(tried.model_dump_json(indent=2) + "\n", encoding="utf-8")


def forget_tried(folder: Path) -> None:
    """Remove what was noted of a network that is there no more."""
    (folder / TRIED_FILE).unlink(missing_ok=True)


def _read(folder: Path) -> _Tried:
    """Return what is noted: nothing where that is damaged, which costs a repetition."""
    try:
        return _Tried.model_validate_json(bounded_bytes(folder / TRIED_FILE))
    except (OSError, ValueError, UserError):
        return _Tried()
