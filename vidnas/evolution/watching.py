"""What can be seen of a search from outside, while it runs or after it."""

from __future__ import annotations

import fcntl
from datetime import datetime
from pathlib import Path

from vidnas.evolution.study import _LOCK_NAME, Study


def is_searching(folder: Path) -> bool:
    """Whether a search holds the folder, also one on another machine that shares the disk.

    The lock is tried in shared mode, so that onlookers do not see each other, and given back at
    once.
    """
    try:
        with (folder / _LOCK_NAME).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def last_recorded(study: Study) -> datetime | None:
    """When the latest trial was recorded; unlike the file's time, it survives a copy."""
    stored = study._optuna.get_trials(deepcopy=False)
    return stored[-1].datetime_complete if stored else None
